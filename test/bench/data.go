package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"

	"holdfast.dev/holdfast/internal/agent/collect"
)

// seed makes all data the same in every run.
const seed = 20261122

// kinds of the generated objects, in the order of their keys in an archive.
var kinds = []collect.Resource{
	{Group: "apps", Version: "v1", Name: "deployments", Kind: "Deployment", Namespaced: true},
	{Version: "v1", Name: "configmaps", Kind: "ConfigMap", Namespaced: true},
	{Version: "v1", Name: "secrets", Kind: "Secret", Namespaced: true},
	{Version: "v1", Name: "services", Kind: "Service", Namespaced: true},
}

// perNamespace is how many objects of each kind a namespace has.
const perNamespace = 50

// namespaces of count objects.
func namespaces(count int) []string {
	var names []string
	for at := 0; at < count/len(kinds); at += perNamespace {
		names = append(names, fmt.Sprintf("team-%04d", at/perNamespace))
	}
	return names
}

// generate yields count objects in the order of an archive, as an API server
// stores them.
func generate(count int) iter.Seq[record] {
	return func(yield func(record) bool) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, kind := range kinds {
			for i := range count / len(kinds) {
				namespace, name := fmt.Sprintf("team-%04d", i/perNamespace), fmt.Sprintf("app-%02d", i%perNamespace)
				if !yield(record{kind.Key(namespace, name), object(rng, kind, namespace, name)}) {
					return
				}
			}
		}
	}
}

// object is about 2 KB of JSON: what is the same in all of a kind, and what is
// not in any other: UIDs, hashes, secrets.
func object(rng *rand.Rand, kind collect.Resource, namespace, name string) []byte {
	var b bytes.Buffer
	version := kind.Version
	if kind.Group != "" {
		version = kind.Group + "/" + version
	}
	fmt.Fprintf(&b, `{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"namespace":%q,"uid":"%08x-%04x-4%03x-8%03x-%012x",`,
		version, kind.Kind, name, namespace, rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<12), rng.IntN(1<<12), rng.Int64N(1<<48))
	fmt.Fprintf(&b, `"resourceVersion":"%09d","generation":%d,"creationTimestamp":"2026-%02d-%02dT%02d:%02d:%02dZ",`,
		rng.IntN(1e9), 1+rng.IntN(30), 1+rng.IntN(10), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60))
	fmt.Fprintf(&b, `"labels":{"app.kubernetes.io/name":%q,"app.kubernetes.io/instance":"%s-%s","app.kubernetes.io/managed-by":"Helm","helm.sh/chart":"%s-%d.%d.%d"},`,
		name, name, namespace, name, rng.IntN(5), rng.IntN(20), rng.IntN(50))
	fmt.Fprintf(&b, `"annotations":{"checksum/config":"%016x%016x%016x%016x","meta.helm.sh/release-name":%q,"meta.helm.sh/release-namespace":%q},`,
		rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64(), name, namespace)
	fmt.Fprintf(&b, `"managedFields":[{"manager":"helm","operation":"Update","apiVersion":%q,"time":"2026-11-%02dT%02d:%02d:00Z","fieldsType":"FieldsV1","fieldsV1":%s}]},`,
		version, 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), managed)
	body(&b, rng, kind.Kind, name)
	b.WriteByte('}')
	return b.Bytes()
}

const managed = `{"f:metadata":{"f:annotations":{".":{},"f:checksum/config":{},"f:meta.helm.sh/release-name":{},"f:meta.helm.sh/release-namespace":{}},` +
	`"f:labels":{".":{},"f:app.kubernetes.io/instance":{},"f:app.kubernetes.io/managed-by":{},"f:app.kubernetes.io/name":{},"f:helm.sh/chart":{}}}}`

func body(b *bytes.Buffer, rng *rand.Rand, kind, name string) {
	switch kind {
	case "Deployment":
		fmt.Fprintf(b, `"spec":{"replicas":%d,"selector":{"matchLabels":{"app.kubernetes.io/name":%q}},"template":{"metadata":{"labels":{"app.kubernetes.io/name":%q}},`+
			`"spec":{"containers":[{"name":"main","image":"registry.example.org/%s@sha256:%016x%016x%016x%016x","ports":[{"containerPort":%d,"protocol":"TCP"}],`+
			`"resources":{"limits":{"cpu":"%dm","memory":"%dMi"}},"readinessProbe":{"httpGet":{"path":"/healthz","port":8080},"periodSeconds":%d},`+
			`"volumeMounts":[{"name":"config","mountPath":"/etc/%s"}]}],"volumes":[{"name":"config","configMap":{"name":%q}}]}}},"status":{"observedGeneration":%d}`,
			rng.IntN(5), name, name, name, rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64(), 8000+rng.IntN(1000),
			100*rng.IntN(20), 64*rng.IntN(32), 1+rng.IntN(30), name, name, rng.IntN(30))
	case "Secret":
		b.WriteString(`"type":"Opaque","data":{"key":"`)
		for range 75 {
			fmt.Fprintf(b, "%012X", rng.Int64N(1<<48))
		}
		b.WriteString(`"}`)
	case "Service":
		fmt.Fprintf(b, `"spec":{"type":"ClusterIP","clusterIP":"10.%d.%d.%d","selector":{"app.kubernetes.io/name":%q},"ports":[`,
			rng.IntN(256), rng.IntN(256), rng.IntN(256), name)
		for i := range 8 {
			fmt.Fprintf(b, `{"name":"p%d","protocol":"TCP","port":%d,"targetPort":%d},`, i, rng.IntN(65536), rng.IntN(65536))
		}
		b.WriteString(`{"name":"http","protocol":"TCP","port":80,"targetPort":"http"}],"sessionAffinity":"None"}`)
	default:
		b.WriteString(`"data":{"settings.properties":"`)
		for i := range 25 {
			fmt.Fprintf(b, `feature.%d.enabled=%t\nfeature.%d.limit=%d\n`, i, rng.IntN(2) == 0, i, rng.IntN(100000))
		}
		b.WriteString(`"}`)
	}
}

// touch gives every hundredth object, by chance, another resourceVersion, and
// says of each whether it did. point is what chance depends on.
func touch(point int) func(record) bool {
	rng := rand.New(rand.NewPCG(seed, uint64(point)))
	return func(r record) bool {
		at := bytes.Index(r.value, []byte(`"resourceVersion":"`))
		if rng.IntN(100) != 0 || at < 0 {
			return false
		}
		copy(r.value[at+19:], fmt.Sprintf("%09d", rng.IntN(1e9)))
		return true
	}
}

// writeImage writes a volume, MiB by MiB text and noise.
func writeImage(w *bufio.Writer, size int64) error {
	rng := rand.New(rand.NewPCG(seed, 2))
	words := make([]string, 4000)
	for i := range words {
		words[i] = fmt.Sprintf("%x ", rng.Uint32()>>(rng.IntN(3)*8))
	}
	for at := int64(0); at < size; at += 1 << 20 {
		piece := make([]byte, 0, 1<<20+16)
		for len(piece) < 1<<20 {
			if at>>20&1 == 0 {
				piece = append(piece, words[rng.IntN(len(words))]...)
			} else {
				piece = binary.LittleEndian.AppendUint64(piece, rng.Uint64())
			}
		}
		if _, err := w.Write(piece[:min(1<<20, size-at)]); err != nil {
			return err
		}
	}
	return nil
}
