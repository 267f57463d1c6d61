//go:build e2e

// Package changed asks a real cluster's storage which blocks changed. It needs
// KUBECONFIG and HOLDFAST_CLUSTER, as scripts/e2e.sh sets them.
package changed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"holdfast.dev/holdfast/internal/agent/changed"
	"holdfast.dev/holdfast/internal/volume/extent"
)

const (
	driver    = "loop.csi.holdfast.dev"
	namespace = "changed"
	size      = 256 << 20
	mega      = 1 << 20
)

const objects = `
apiVersion: v1
kind: Namespace
metadata: {name: changed}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: mover, namespace: changed}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: changed}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: mover, namespace: changed}
rules: [{apiGroups: [snapshot.storage.k8s.io], resources: [volumesnapshots], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mover, namespace: changed}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: mover}
subjects: [{kind: ServiceAccount, name: mover, namespace: changed}]
---
apiVersion: v1
kind: Pod
metadata: {name: writer, namespace: changed}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: writer
    image: localhost/busybox:1
    command: [sleep, "3600"]
    volumeDevices: [{name: one, devicePath: /one}, {name: other, devicePath: /other}]
  volumes:
  - {name: one, persistentVolumeClaim: {claimName: one}}
  - {name: other, persistentVolumeClaim: {claimName: other}}
` + "---" + claim + "one" + rest + "---" + claim + "other" + rest

const claim = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {namespace: changed, name: `

const rest = `}
spec:
  volumeMode: Block
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 256Mi}}
`

func kubectl(t *testing.T, in string, args ...string) string {
	t.Helper()
	cmd := exec.Command("devcluster", append([]string{"kubectl", "--name", os.Getenv("HOLDFAST_CLUSTER")}, args...)...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// write puts count random pieces of bytes size at a place counted in such pieces.
func write(t *testing.T, device string, bytes, at, count int) {
	t.Helper()
	kubectl(t, "", "exec", "-n", namespace, "writer", "--", "dd", "if=/dev/urandom", "of=/"+device,
		fmt.Sprint("bs=", bytes), fmt.Sprint("seek=", at), fmt.Sprint("count=", count), "conv=notrunc,fsync")
}

// snapshot takes one and returns its handle.
func snapshot(t *testing.T, name, of string) string {
	t.Helper()
	kubectl(t, fmt.Sprintf(`{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshot","metadata":{"name":%q,"namespace":%q},
"spec":{"volumeSnapshotClassName":"loop","source":{"persistentVolumeClaimName":%q}}}`, name, namespace, of), "apply", "-f", "-")
	kubectl(t, "", "wait", "-n", namespace, "volumesnapshot/"+name, "--for=jsonpath={.status.readyToUse}=true", "--timeout=180s")
	content := kubectl(t, "", "get", "-n", namespace, "volumesnapshot", name, "-o", "jsonpath={.status.boundVolumeSnapshotContentName}")
	return kubectl(t, "", "get", "volumesnapshotcontent", content, "-o", "jsonpath={.status.snapshotHandle}")
}

func TestStorageTellsWhatChanged(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 15*time.Minute)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kubectl(t, "", "delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s") })
	kubectl(t, objects, "apply", "-f", "-")
	kubectl(t, "", "wait", "-n", namespace, "pod/writer", "--for=condition=Ready", "--timeout=180s")
	access := func(account string) changed.Access {
		t.Helper()
		a, err := changed.Find(ctx, kube, driver, types.NamespacedName{Namespace: namespace, Name: account})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	mover := access("mover")
	same := func(what string, got func() (extent.Set, error), want ...extent.Range) {
		t.Helper()
		set, err := got()
		if diff := cmp.Diff(extent.Of(want...), set); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", what, err, diff)
		}
	}
	allocated := func(name string) func() (extent.Set, error) {
		return func() (extent.Set, error) {
			m, err := changed.Allocated(ctx, mover, changed.Snapshot{Namespace: namespace, Name: name, Size: size})
			if err != nil {
				return nil, err
			}
			return m.Ranges, nil
		}
	}
	since := func(a changed.Access, base, name string) func() (extent.Set, error) {
		return func() (extent.Set, error) {
			m, err := changed.Changed(ctx, a, changed.Snapshot{Namespace: namespace, Name: name, Size: size}, base)
			if err != nil {
				return nil, err
			}
			return m.Ranges, nil
		}
	}

	write(t, "one", mega, 8, 3)
	write(t, "other", mega, 1, 1)
	one, other := snapshot(t, "one", "one"), snapshot(t, "other", "other")
	same("allocated", allocated("one"), extent.Range{Offset: 8 * mega, Length: 3 * mega})
	write(t, "one", mega, 64, 1)
	write(t, "one", 4096, 9*mega/4096, 1)
	two := snapshot(t, "two", "one")
	same("allocated later", allocated("two"), extent.Range{Offset: 8 * mega, Length: 3 * mega}, extent.Range{Offset: 64 * mega, Length: mega})
	same("changed", since(mover, one, "two"), extent.Range{Offset: 9 * mega, Length: 4096}, extent.Range{Offset: 64 * mega, Length: mega})
	same("nothing changed", since(mover, two, "two"))

	volume := kubectl(t, "", "get", "pv", kubectl(t, "", "get", "-n", namespace, "pvc", "one", "-o", "jsonpath={.spec.volumeName}"), "-o", "jsonpath={.spec.csi.volumeHandle}")
	foreign, err := changed.Find(ctx, kube, driver, types.NamespacedName{Namespace: namespace, Name: "stranger"})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := mover
	elsewhere.Token = kubectl(t, "", "create", "token", "-n", namespace, "mover", "--audience", "elsewhere")
	kubectl(t, "", "delete", "-n", namespace, "volumesnapshot", "one", "--timeout=180s")
	for what, c := range map[string]struct {
		got  func() (extent.Set, error)
		want error
	}{
		"base of another volume": {since(mover, other, "two"), changed.ErrBase},
		"a volume as base":       {since(mover, volume, "two"), changed.ErrBase},
		"base never known":       {since(mover, "snap-0", "two"), changed.ErrBase},
		"base deleted":           {since(mover, one, "two"), changed.ErrBase},
		"no such snapshot":       {allocated("none"), changed.ErrBase},
		"no right":               {since(foreign, two, "two"), changed.ErrRefused},
		"for another audience":   {since(elsewhere, two, "two"), changed.ErrRefused},
	} {
		if set, err := c.got(); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, %v", what, set, err)
		}
	}
	if _, err := changed.Find(ctx, kube, "nosnap.csi.holdfast.dev", types.NamespacedName{Namespace: namespace, Name: "mover"}); !errors.Is(err, changed.ErrNotOffered) {
		t.Errorf("a driver without the service: %v", err)
	}
	host, port, err := net.SplitHostPort(mover.Address)
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "exec", "-n", namespace, "writer", "--", "sh", "-c", "echo | nc -w 3 "+host+" "+port)
}
