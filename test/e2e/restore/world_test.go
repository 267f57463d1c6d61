//go:build e2e

// Package restore restores an application into a real cluster: its namespace
// after it was destroyed, and under another name beside the living original,
// each with the data of its volumes.
package restore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore"
	"holdfast.dev/holdfast/internal/clock"
)

// world is one application in a cluster.
type world struct {
	t       *testing.T
	cluster string // its name
	app     string // namespace
	last    point
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, cluster: cmp.Or(os.Getenv("HOLDFAST_CLUSTER"), "dev"), app: fmt.Sprintf("shop%d", time.Now().UnixNano()%1e9)}
	manifest, err := os.ReadFile("testdata/app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("NS", w.app, "PORT", fmt.Sprint(30000+time.Now().UnixNano()%2500)).Replace(string(manifest))
	t.Cleanup(func() {
		for _, namespace := range []string{w.app, w.copy()} {
			w.try("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
		}
		w.try("delete", "crd", "widgets."+w.app+".example.org", "--ignore-not-found")
	})
	w.apply(text)
	w.kubectl("wait", "--for=condition=Established", "crd/widgets."+w.app+".example.org", "--timeout=180s")
	w.apply(fmt.Sprintf(`{"apiVersion":"%[1]s.example.org/v1","kind":"Widget","metadata":{"name":"main","namespace":"%[1]s"},"spec":{"serial":9007199254740993}}`, w.app))
	owner := w.kubectl("get", "widget", "main", "-n", w.app, "-o", "jsonpath={.metadata.uid}")
	w.apply(fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"generated","namespace":"%[1]s","ownerReferences":[
{"apiVersion":"%[1]s.example.org/v1","kind":"Widget","name":"main","uid":"%[2]s","controller":true}]}}`, w.app, owner))
	w.ready(w.app)
	return w
}

// copy is the namespace that the application is mapped to.
func (w *world) copy() string { return w.app + "-copy" }

func (w *world) ready(namespace string) {
	w.t.Helper()
	w.kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=180s")
	w.kubectl("rollout", "status", "-n", namespace, "statefulset/db", "--timeout=180s")
	w.kubectl("wait", "-n", namespace, "pod/tool", "--for=condition=Ready", "--timeout=180s")
}

func (w *world) try(args ...string) (string, error) {
	command := exec.Command("devcluster", append([]string{"kubectl", "--name", w.cluster}, args...)...)
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) kubectl(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *world) apply(manifest string) {
	w.t.Helper()
	command := exec.Command("devcluster", "kubectl", "--name", w.cluster, "apply", "-f", "-")
	command.Stdin = strings.NewReader(manifest)
	if out, err := command.CombinedOutput(); err != nil {
		w.t.Fatalf("apply: %v\n%s", err, out)
	}
}

// data is what each volume holds, by claim.
func (w *world) data(namespace string) map[string]string {
	w.t.Helper()
	ids := map[string]string{}
	for claim, pod := range map[string]string{"files": "deploy/web", "data-db-0": "db-0", "data-db-1": "db-1"} {
		ids[claim] = w.kubectl("exec", "-n", namespace, pod, "--", "cat", "/data/id")
	}
	ids["raw"] = w.kubectl("exec", "-n", namespace, "tool", "--", "head", "-c", "64", "/dev/raw")
	for claim, id := range ids {
		if len(id) < 64 {
			w.t.Fatalf("%s holds %q", claim, id)
		}
	}
	return ids
}

// handles is the volume handle behind each claim.
func (w *world) handles(namespace string) map[string]bool {
	w.t.Helper()
	handles := map[string]bool{}
	for _, pv := range strings.Fields(w.kubectl("get", "pvc", "-n", namespace, "-o", "jsonpath={.items[*].spec.volumeName}")) {
		handles[w.kubectl("get", "pv", pv, "-o", "jsonpath={.spec.csi.volumeHandle}")] = true
	}
	return handles
}

// point is a recovery point made by hand: objects in memory, snapshots whose
// Kubernetes objects are gone.
type point struct {
	objects []json.RawMessage
	volumes []agentv1.Volume
}

func (p point) Records(context.Context) iter.Seq2[restore.Record, error] {
	return func(yield func(restore.Record, error) bool) {
		for i, raw := range p.objects {
			if !yield(restore.Record{Key: fmt.Sprint(i), JSON: raw}, nil) {
				return
			}
		}
	}
}

func (w *world) backup() point {
	w.t.Helper()
	p := point{}
	kinds := strings.Fields(w.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name"))
	kinds = append(kinds, "namespaces/"+w.app, "crd/widgets."+w.app+".example.org")
	for _, kind := range kinds {
		args := []string{"get", kind, "-o", "json", "--show-managed-fields"}
		if !strings.Contains(kind, "/") {
			args = append(args, "-n", w.app)
		}
		var found struct{ Items []json.RawMessage }
		out := []byte(w.kubectl(args...))
		if err := json.Unmarshal(out[bytes.IndexByte(out, '{'):], &found); err != nil {
			w.t.Fatalf("%s: %v", kind, err)
		}
		if strings.Contains(kind, "/") {
			found.Items = []json.RawMessage{out}
		}
		p.objects = append(p.objects, found.Items...)
	}
	for claim, mode := range map[string]string{"files": "Filesystem", "data-db-0": "Filesystem", "data-db-1": "Filesystem", "raw": "Block"} {
		volume := w.snapshot(claim)
		volume.VolumeMode = mode
		p.volumes = append(p.volumes, volume)
	}
	w.last = p
	return p
}

// snapshot cuts one claim, keeps the stored snapshot and removes its objects.
func (w *world) snapshot(claim string) agentv1.Volume {
	w.t.Helper()
	w.apply(fmt.Sprintf(`{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshot","metadata":{"name":"%[1]s","namespace":"%[2]s"},
"spec":{"volumeSnapshotClassName":"loop","source":{"persistentVolumeClaimName":"%[1]s"}}}`, claim, w.app))
	w.kubectl("wait", "-n", w.app, "volumesnapshot/"+claim, "--for=jsonpath={.status.readyToUse}=true", "--timeout=180s")
	content := w.kubectl("get", "volumesnapshot", claim, "-n", w.app, "-o", "jsonpath={.status.boundVolumeSnapshotContentName}")
	handle := w.kubectl("get", "volumesnapshotcontent", content, "-o", "jsonpath={.status.snapshotHandle}")
	w.kubectl("patch", "volumesnapshotcontent", content, "--type=merge", "-p", `{"spec":{"deletionPolicy":"Retain"}}`)
	w.kubectl("delete", "volumesnapshot", claim, "-n", w.app, "--timeout=180s")
	w.kubectl("delete", "volumesnapshotcontent", content, "--timeout=180s")
	w.t.Cleanup(func() { w.forget(claim, handle) })
	return agentv1.Volume{Namespace: w.app, Claim: claim, State: agentv1.VolumeProtected, Driver: "loop.csi.holdfast.dev",
		SnapshotHandle: handle, SizeBytes: 16 << 20, RestoreSizeBytes: 16 << 20}
}

// forget deletes a stored snapshot.
func (w *world) forget(claim, handle string) {
	name := "forget-" + w.app + "-" + claim
	w.apply(fmt.Sprintf(`{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotContent","metadata":{"name":"%[1]s"},
"spec":{"deletionPolicy":"Delete","driver":"loop.csi.holdfast.dev","source":{"snapshotHandle":"%[2]s"},"volumeSnapshotRef":{"name":"%[1]s","namespace":"default"}}}
{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshot","metadata":{"name":"%[1]s","namespace":"default"},"spec":{"source":{"volumeSnapshotContentName":"%[1]s"}}}`, name, handle))
	w.kubectl("wait", "-n", "default", "volumesnapshot/"+name, "--for=jsonpath={.status.readyToUse}=true", "--timeout=180s")
	w.kubectl("delete", "volumesnapshot", name, "-n", "default", "--timeout=180s")
}

// run restores; since is the API server's time now.
func (w *world) run(id string, p point, change func(*agentv1.Restore)) restore.Run {
	w.t.Helper()
	w.apply(fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s-%s","namespace":"default"}}`, w.app, id))
	stamp := w.kubectl("get", "cm", w.app+"-"+id, "-n", "default", "-o", "jsonpath={.metadata.creationTimestamp}")
	w.kubectl("delete", "cm", w.app+"-"+id, "-n", "default")
	since, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		w.t.Fatal(err)
	}
	run := restore.Run{ID: w.app + "-" + id, Source: p, Volumes: p.volumes, Since: since,
		Spec: agentv1.Restore{ConflictPolicy: agentv1.ConflictSkip, RestoreVolumeData: true,
			Selection: agentv1.Selection{IncludedNamespaces: []string{w.app}}}}
	if change != nil {
		change(&run.Spec)
	}
	return run
}

func (w *world) restorer() *restore.Restorer {
	w.t.Helper()
	kubeconfig, err := exec.Command("devcluster", "kubeconfig", "--name", w.cluster).Output()
	if err != nil {
		w.t.Fatalf("devcluster kubeconfig: %v", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", strings.TrimSpace(string(kubeconfig)))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := restore.New(restore.Deps{Config: config, Clock: clock.System{}, TempDir: w.t.TempDir(), OwnNamespace: "holdfast"},
		restore.Patience{Volume: 3 * time.Minute})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) restore(run restore.Run) (agentv1.RestoreResult, []agentv1.Warning) {
	w.t.Helper()
	start, last := time.Now(), ""
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	result, warnings, err := w.restorer().Run(ctx, run, func(p agentv1.Progress) {
		if p.Phase != last {
			last = p.Phase
			w.t.Logf("%6.1fs %s (%d of %d)", time.Since(start).Seconds(), p.Phase, p.ItemsDone, p.ItemsTotal)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("created %d, patched %d, unchanged %d, skipped %d, failed %d, volumes %d",
		result.Created, result.Patched, result.Unchanged, result.Skipped, result.Failed, result.Volumes)
	return result, warnings
}
