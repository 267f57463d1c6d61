package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
)

// hasty polls fast; its patience is only long enough for a busy machine.
var hasty = Patience{Volume: time.Minute, Definition: time.Minute, Namespace: 200 * time.Millisecond,
	Refused: time.Minute, Helpers: time.Minute, Poll: time.Millisecond}

// target is a cluster with one node and one class that waits for consumers.
func target(t *testing.T) *apiServer {
	s := newAPIServer(t)
	for _, raw := range documents(t, `{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: waits}, volumeBindingMode: WaitForFirstConsumer}
---
{apiVersion: v1, kind: Node, metadata: {name: slow}, status: {conditions: [{type: Ready, status: "True"}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: fast, labels: {disk: fast}}, status: {conditions: [{type: Ready, status: "True"}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: default}}`) {
		var body map[string]any
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		s.have(t, body)
	}
	return s
}

func restorer(t *testing.T, s *apiServer) *Restorer {
	t.Helper()
	r, err := New(Deps{Config: s.config(), Clock: clock.System{}, TempDir: t.TempDir(), OwnNamespace: "holdfast"}, hasty)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func shopRun(t testing.TB, s *apiServer) Run {
	return Run{ID: "0123456789abcdef", Source: shop(t), Volumes: shopVolumes, Since: s.now,
		Spec: agentv1.Restore{ConflictPolicy: agentv1.ConflictSkip, RestoreVolumeData: true,
			Selection: agentv1.Selection{IncludeClusterScopeResources: true, IncludedNamespaces: []string{"shop"}}}}
}

func codes(items []agentv1.Item, action agentv1.ItemAction) []string {
	var lines []string
	for _, item := range items {
		if item.Action == action {
			lines = append(lines, fmt.Sprintf("%s %s: %s", item.Resource, item.Name, item.Code))
		}
	}
	return lines
}

func warned(warnings []agentv1.Warning) []string {
	var lines []string
	for _, w := range warnings {
		code, _, _ := strings.Cut(w.Problem.Message, ":")
		lines = append(lines, w.Resource+": "+code)
	}
	slices.Sort(lines)
	return lines
}

func TestRestoreIntoAnEmptyCluster(t *testing.T) {
	s := target(t)
	result, warnings, err := restorer(t, s).Run(t.Context(), shopRun(t, s), nil)
	if err != nil {
		t.Fatal(err)
	}
	if failed := codes(result.Items, agentv1.ItemFailed); !slices.Equal(failed, []string{"other.example.org/Unknown x: KindNotServed"}) {
		t.Errorf("failed: %q", failed)
	}
	if result.Volumes != 1 || result.Created < 25 {
		t.Errorf("%d volumes, %d created", result.Volumes, result.Created)
	}
	want := []string{
		"ConfigMap shop/orphan: OwnerMissing",
		"PersistentVolume pvc-local: StaticVolumeNotRestored",
		"PersistentVolumeClaim shop/scratch: VolumeDataNotRestored",
		"batch/Job shop/running: JobRestoredSuspended",
		"other.example.org/Unknown shop/x: KindNotServed",
	}
	if diff := cmp.Diff(want, warned(warnings)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	checkRestored(t, s)
}

// checkRestored looks at the traps that only an API server can spring.
func checkRestored(t *testing.T, s *apiServer) {
	t.Helper()
	claim := s.find("PersistentVolumeClaim shop/data-db-0")
	if text(claim, "metadata", "annotations", "from") != "snap-1" || text(claim, "spec", "volumeName") == "pvc-source" {
		t.Errorf("the claim was not filled from its snapshot: %v", claim)
	}
	if node := text(claim, "metadata", "annotations", "volume.kubernetes.io/selected-node"); node != "fast" {
		t.Errorf("the claim was made on node %q, its StatefulSet runs on fast", node)
	}
	if size := text(claim, "spec", "resources", "requests", "storage"); size != "2Gi" {
		t.Errorf("the claim has %s, its source had 2Gi", size)
	}
	for _, gone := range []string{"apps/ReplicaSet shop/web-1", "Pod shop/web-1-a", "Pod shop/once", "batch/Job shop/finished",
		"Secret shop/robot-token-x2k4p", "PersistentVolume pvc-source", "Event shop/e", "ConfigMap other/elsewhere"} {
		if s.find(gone) != nil {
			t.Errorf("%s was restored", gone)
		}
	}
	checkOwner(t, s, "ConfigMap shop/generated", "db.example.org/Cluster shop/main")
	checkOwner(t, s, "db.example.org/Cluster shop/a-child", "db.example.org/Cluster shop/main")
	checkOwner(t, s, "apps/ControllerRevision shop/db-1", "apps/StatefulSet shop/db")
	if s.find("batch/CronJob shop/nightly")["spec"].(map[string]any)["suspend"] != false {
		t.Error("the CronJob was not resumed")
	}
	if s.find("batch/CronJob shop/paused")["spec"].(map[string]any)["suspend"] != true {
		t.Error("the CronJob that was suspended was started")
	}
	if account := s.find("ServiceAccount shop/default"); len(list(account, "imagePullSecrets")) != 1 {
		t.Error("the default account was not merged")
	}
	if serial := child(s.find("db.example.org/Cluster shop/main"), "spec")["serial"]; fmt.Sprint(serial) == "" {
		t.Error("no serial")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for path := range s.objects {
		if strings.HasPrefix(path, "snapshot.storage.k8s.io/") {
			t.Errorf("a helper is left: %s", path)
		}
	}
}

func checkOwner(t *testing.T, s *apiServer, child, owner string) {
	t.Helper()
	references := list(s.find(child), "metadata", "ownerReferences")
	uid := text(s.find(owner), "metadata", "uid")
	if len(references) != 1 || references[0].(map[string]any)["uid"] != uid || uid == "" {
		t.Errorf("%s is owned by %v, want %s %s", child, references, owner, uid)
	}
}

// A restore that is repeated finds everything as it should be and changes
// nothing, under both policies.
func TestRestoreAgainChangesNothing(t *testing.T) {
	for _, policy := range []agentv1.ConflictPolicy{agentv1.ConflictSkip, agentv1.ConflictPatch} {
		t.Run(string(policy), func(t *testing.T) {
			s := target(t)
			r := restorer(t, s)
			run := shopRun(t, s)
			if _, _, err := r.Run(t.Context(), run, nil); err != nil {
				t.Fatal(err)
			}
			s.now = s.now.Add(time.Hour)
			run.ID, run.Since, run.Spec.ConflictPolicy = "fedcba9876543210", s.now, policy
			before := s.writes
			result, warnings, err := r.Run(t.Context(), run, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(warned(warnings), "PersistentVolumeClaim shop/data-db-0: VolumeDataNotRestored") {
				t.Errorf("the data of a claim was not restored, without a word: %q", warned(warnings))
			}
			if result.Created+result.Patched != 0 || result.Failed != 1 || s.writes != before {
				t.Errorf("%d created, %d patched, %d failed, %d writes:\n%v", result.Created, result.Patched, result.Failed, s.writes-before, result.Items)
			}
		})
	}
}

// Wherever a restore is killed, and the next attempt soon after, the one after
// that ends with the same result.
func TestKilledAnywhereEndsTheSame(t *testing.T) {
	whole := target(t)
	before := whole.writes
	want, wantWarnings, err := restorer(t, whole).Run(t.Context(), shopRun(t, whole), nil)
	if err != nil {
		t.Fatal(err)
	}
	for after := 1; after <= whole.writes-before; after += 2 {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			s := target(t)
			run := shopRun(t, s)
			for _, writes := range []int{after, 5} {
				killed(t, s, run, writes)
			}
			result, warnings, err := restorer(t, s).Run(t.Context(), run, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, result); diff != "" {
				t.Errorf("result (-uninterrupted +killed):\n%s", diff)
			}
			if diff := cmp.Diff(warned(wantWarnings), warned(warnings)); diff != "" {
				t.Errorf("warnings (-uninterrupted +killed):\n%s", diff)
			}
			checkRestored(t, s)
		})
	}
}

// killed runs a restore and ends it after so many writes.
func killed(t *testing.T, s *apiServer, run Run, after int) {
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	var writes atomic.Int64
	s.onWrite(func(string) {
		if writes.Add(1) == int64(after) {
			kill()
		}
	})
	_, _, _ = restorer(t, s).Run(ctx, run, nil)
	s.onWrite(nil)
}

// A server that is busy, breaks and hangs up, before and after taking effect,
// changes nothing about the result.
func TestFaultsPass(t *testing.T) {
	s := target(t)
	var n atomic.Int64
	s.fault = func(r *http.Request, served bool) fault {
		if strings.Count(r.URL.Path, "/") < 4 && r.Method == http.MethodGet {
			return noFault // discovery is many requests here and one at a real server
		}
		switch n.Add(1) % 23 {
		case 0:
			return busy
		case 2:
			return broken
		case 4:
			return hangUp
		}
		return noFault
	}
	r := restorer(t, s)
	run := shopRun(t, s)
	var err error
	var result agentv1.RestoreResult
	for range 20 { // the controller calls again
		if result, _, err = r.Run(t.Context(), run, nil); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s.fault = nil
	if result.Failed != 1 || result.Volumes != 1 {
		t.Errorf("%d failed, %d volumes: %v", result.Failed, result.Volumes, result.Items)
	}
	checkRestored(t, s)
}

func TestMappedBesideTheOriginal(t *testing.T) {
	s := target(t)
	r := restorer(t, s)
	run := shopRun(t, s)
	if _, _, err := r.Run(t.Context(), run, nil); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Hour)
	run.ID, run.Since, run.Spec.NamespaceMappings = "second", s.now, map[string]string{"shop": "copy"}
	result, warnings, err := r.Run(t.Context(), run, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Volumes != 1 || text(s.find("PersistentVolumeClaim copy/data-db-0"), "metadata", "annotations", "from") != "snap-1" {
		t.Errorf("%d volumes filled: %v", result.Volumes, result.Items)
	}
	subject := list(s.find("rbac.authorization.k8s.io/RoleBinding copy/robot"), "subjects")[0].(map[string]any)
	if subject["namespace"] != "copy" {
		t.Errorf("subject %v", subject)
	}
	checkOwner(t, s, "ConfigMap copy/generated", "db.example.org/Cluster copy/main")
	if !slices.Contains(warned(warnings), "networking.k8s.io/Ingress copy/web: HostnamesShared") {
		t.Errorf("no warning about host names: %q", warned(warnings))
	}
}

func TestPatchSetsWhatCanBeSet(t *testing.T) {
	s := target(t)
	r := restorer(t, s)
	run := shopRun(t, s)
	if _, _, err := r.Run(t.Context(), run, nil); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Hour)
	s.find("ConfigMap shop/settings")["data"] = map[string]any{"a": "changed", "new": "x"}
	deployment := s.find("apps/Deployment shop/web")["spec"].(map[string]any)
	deployment["selector"] = map[string]any{"matchLabels": map[string]any{"app": "other"}}
	deployment["replicas"] = float64(9)
	uid := text(s.find("ConfigMap shop/settings"), "metadata", "uid")
	run.ID, run.Since, run.Spec.ConflictPolicy = "patch", s.now, agentv1.ConflictPatch
	result, _, err := r.Run(t.Context(), run, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Patched != 2 || result.Created != 0 {
		t.Errorf("%d patched, %d created: %v", result.Patched, result.Created, result.Items)
	}
	settings := s.find("ConfigMap shop/settings")
	if diff := cmp.Diff(map[string]any{"a": "b"}, settings["data"]); diff != "" || text(settings, "metadata", "uid") != uid {
		t.Errorf("settings %v (%s)", settings, diff)
	}
	patched := s.find("apps/Deployment shop/web")["spec"].(map[string]any)
	if patched["replicas"] != float64(2) || text(patched, "selector", "matchLabels", "app") != "other" {
		t.Errorf("deployment %v", patched)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	s := target(t)
	run := shopRun(t, s)
	run.DryRun = true
	before := s.writes
	planned, _, err := restorer(t, s).Run(t.Context(), run, nil)
	if err != nil || s.writes != before {
		t.Fatalf("%v, %d writes", err, s.writes-before)
	}
	run.DryRun = false
	done, _, err := restorer(t, s).Run(t.Context(), run, nil)
	if err != nil {
		t.Fatal(err)
	}
	if planned.Created != done.Created+done.Unchanged+done.Patched || planned.Failed != done.Failed || planned.Volumes != done.Volumes {
		t.Errorf("planned %+v\ndone %+v", planned, done)
	}
}

func TestAVolumeThatIsNotFilledDoesNotStopTheRest(t *testing.T) {
	s := target(t)
	run := shopRun(t, s)
	run.Volumes = slices.Clone(shopVolumes)
	s.refuse = func(body map[string]any) (int, string) {
		if body["kind"] == "VolumeSnapshot" {
			return 403, "no snapshots today"
		}
		return 0, ""
	}
	result, warnings, err := restorer(t, s).Run(t.Context(), run, nil)
	if err != nil {
		t.Fatal(err)
	}
	if failed := codes(result.Items, agentv1.ItemFailed); !slices.Contains(failed, "PersistentVolumeClaim data-db-0: Refused") || result.Volumes != 0 {
		t.Errorf("failed: %q", failed)
	}
	if s.find("apps/StatefulSet shop/db") == nil || len(warnings) == 0 {
		t.Error("the rest was not restored")
	}
}

// A server that stumbles for a while holds the workloads up, not the claims.
func TestClaimsAreThereBeforeTheirStatefulSet(t *testing.T) {
	s := target(t)
	tries, early := 0, false
	s.refuse = func(body map[string]any) (int, string) {
		switch body["kind"] {
		case "StatefulSet":
			early = early || s.objects["/v1/persistentvolumeclaims/shop/data-db-0"] == nil
		case "PersistentVolumeClaim":
			if text(body, "metadata", "name") == "data-db-0" {
				if tries++; tries <= 2*quickTries {
					return 500, "etcd is away"
				}
			}
		}
		return 0, ""
	}
	result, _, err := restorer(t, s).Run(t.Context(), shopRun(t, s), nil)
	if err != nil {
		t.Fatal(err)
	}
	if early || result.Volumes != 1 {
		t.Errorf("after %d tries: the StatefulSet came first: %v; %d volumes", tries, early, result.Volumes)
	}
}

// A claim that is put off because the server stumbles is made empty meanwhile by
// the StatefulSet that mounts it. Its data is missing then, and that is said.
func TestAClaimThatItsStatefulSetMadeIsToldOf(t *testing.T) {
	s := target(t)
	made := false
	s.refuse = func(body map[string]any) (int, string) {
		set := s.objects["apps/v1/statefulsets/shop/db"]
		if body["kind"] != "PersistentVolumeClaim" || made || text(body, "metadata", "name") != "data-db-0" {
			return 0, ""
		}
		if set == nil {
			return 500, "etcd is away"
		}
		made = true
		empty := map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"namespace": "shop", "name": "data-db-0"}}
		s.objects["/v1/persistentvolumeclaims/shop/data-db-0"] = empty
		return 409, "exists"
	}
	r := restorer(t, s)
	r.patience.Refused = time.Second // for the claim alone, and again at the end
	_, warnings, err := r.Run(t.Context(), shopRun(t, s), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !made || !slices.Contains(warned(warnings), "PersistentVolumeClaim shop/data-db-0: VolumeDataNotRestored") {
		t.Errorf("made %v: %q", made, warned(warnings))
	}
}

// Two restores into one namespace at the same time bear the same name. A claim
// that the other one made holds the other one's data.
func TestAClaimOfAnotherRestoreIsNotOurs(t *testing.T) {
	s := target(t)
	run := shopRun(t, s)
	if _, _, err := restorer(t, s).Run(t.Context(), run, nil); err != nil {
		t.Fatal(err)
	}
	run.ID = "fedcba9876543210"
	result, _, err := restorer(t, s).Run(t.Context(), run, nil)
	if err != nil {
		t.Fatal(err)
	}
	if failed := codes(result.Items, agentv1.ItemFailed); !slices.Contains(failed, "PersistentVolumeClaim data-db-0: VolumeDataNotRestored") || result.Volumes != 0 {
		t.Errorf("failed: %q, %d volumes", failed, result.Volumes)
	}
}

func TestAClaimWithoutClassOrNodeWaitsUnbound(t *testing.T) {
	for name, change := range map[string]func(*apiServer){
		codeClassMissing: func(s *apiServer) { delete(s.objects, "storage.k8s.io/v1/storageclasses//waits") },
		codeNoNode:       func(s *apiServer) { delete(s.objects, "/v1/nodes//fast") },
	} {
		t.Run(name, func(t *testing.T) {
			s := target(t)
			change(s)
			result, _, err := restorer(t, s).Run(t.Context(), shopRun(t, s), nil)
			if err != nil {
				t.Fatal(err)
			}
			if failed := codes(result.Items, agentv1.ItemFailed); !slices.Contains(failed, "PersistentVolumeClaim data-db-0: "+name) {
				t.Errorf("failed: %q", failed)
			}
			claim := s.find("PersistentVolumeClaim shop/data-db-0")
			if claim == nil || text(claim, "spec", "dataSource", "name") == "" {
				t.Errorf("claim %v: an empty one would take its place", claim)
			}
		})
	}
}

func TestNodePortThatIsTaken(t *testing.T) {
	s := target(t)
	s.ports[30080] = "somebody else"
	run := shopRun(t, s)
	run.Source = documents(t, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, annotations:
  {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"ports":[{"port":80,"nodePort":30080}]}}'}},
  spec: {type: NodePort, ports: [{port: 80, protocol: TCP, nodePort: 30080}]}}`)
	result, warnings, err := restorer(t, s).Run(t.Context(), run, nil)
	if err != nil || result.Failed != 0 || !slices.Equal(warned(warnings), []string{"Service shop/web: NodePortTaken"}) {
		t.Fatalf("%v, %+v, %q", err, result, warned(warnings))
	}
}

// A webhook whose backend is part of the restore refuses objects until the
// backend is there; a plain refusal is tried once more and then reported.
func TestRefusalsThatPassAndThoseThatStay(t *testing.T) {
	s := target(t)
	s.refuse = func(body map[string]any) (int, string) {
		backend := s.objects["apps/v1/deployments/shop/web"]
		switch {
		case body["kind"] == "ConfigMap" && backend == nil:
			return 500, `failed calling webhook "guard": no endpoints available`
		case body["kind"] == "Pod":
			return 403, `pods "tool" is forbidden: exceeded quota: small`
		}
		return 0, ""
	}
	result, _, err := restorer(t, s).Run(t.Context(), shopRun(t, s), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"other.example.org/Unknown x: KindNotServed", "Pod tool: QuotaExceeded"}
	if failed := codes(result.Items, agentv1.ItemFailed); !slices.Equal(failed, want) {
		t.Errorf("failed: %q", failed)
	}
	if s.find("ConfigMap shop/settings") == nil {
		t.Error("the config map was not tried again")
	}
}

func TestANamespaceThatDoesNotGoStopsTheRestore(t *testing.T) {
	s := target(t)
	s.have(t, map[string]any{"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
	before := s.writes
	_, _, err := restorer(t, s).Run(t.Context(), shopRun(t, s), nil)
	var problem *agentv1.Problem
	if !errors.As(err, &problem) || problem.Code != CodeNamespaceTerminating || s.writes != before {
		t.Fatalf("error %v, %d writes", err, s.writes-before)
	}
}

// Neither does a namespace that the restore is not about, and a dry run plans
// with the namespace gone.
func TestOtherNamespacesMayGo(t *testing.T) {
	s := target(t)
	leaving := func(name string) {
		s.have(t, map[string]any{"apiVersion": "v1", "kind": "Namespace",
			"metadata": map[string]any{"name": name, "deletionTimestamp": "2026-01-01T00:00:00Z"}})
		s.have(t, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "settings", "namespace": name}})
	}
	leaving("other")
	run := shopRun(t, s)
	run.DryRun = true
	want, _, err := restorer(t, s).Run(t.Context(), run, nil)
	if err != nil {
		t.Fatal(err)
	}
	leaving("shop")
	got, _, err := restorer(t, s).Run(t.Context(), run, nil)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, plan (-absent +leaving):\n%s", err, diff)
	}
}

func TestCleanRemovesOnlyItsOwnHelpers(t *testing.T) {
	s := target(t)
	s.refuse = func(body map[string]any) (int, string) {
		if body["kind"] == "PersistentVolumeClaim" {
			return 403, "no claims today"
		}
		return 0, ""
	}
	r := restorer(t, s)
	ctx, kill := context.WithCancel(t.Context())
	s.onWrite(func(path string) {
		if strings.HasPrefix(path, "snapshot.storage.k8s.io/v1/volumesnapshots/") {
			kill()
		}
	})
	_, _, _ = r.Run(ctx, shopRun(t, s), nil)
	count := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for path := range s.objects {
			if strings.HasPrefix(path, "snapshot.") {
				n++
			}
		}
		return n
	}
	if count() != 2 {
		t.Fatalf("%d helpers before", count())
	}
	if err := r.Clean(t.Context(), "another"); err != nil || count() != 2 {
		t.Fatalf("%v, %d helpers after cleaning for another operation", err, count())
	}
	if err := r.Clean(t.Context(), "0123456789abcdef"); err != nil || count() != 0 {
		t.Fatalf("%v, %d helpers left", err, count())
	}
}

func TestProgressCountsUp(t *testing.T) {
	s := target(t)
	var phases []string
	var last agentv1.Progress
	_, _, err := restorer(t, s).Run(t.Context(), shopRun(t, s), func(p agentv1.Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
		if p.ItemsDone < last.ItemsDone || p.Percent < last.Percent {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	})
	if last.ItemsDone == 0 || last.ItemsDone != last.ItemsTotal || last.Percent != 99 {
		t.Errorf("at last %+v", last)
	}
	want := []string{"plan", "namespaces", "definitions", "policies", "accounts", "access", "bindings", "volumes", "network",
		"custom resources", "workloads", "limits", "rest", "ingress", "gates", "finish"}
	if diff := cmp.Diff(want, phases); err != nil || diff != "" {
		t.Errorf("%v, phases (-want +got):\n%s", err, diff)
	}
}

// While volumes are filled nothing else happens, and the progress goes on: by their
// bytes, and by the volumes that drivers make. No claim is done before its volume is.
func TestProgressWhileVolumesAreFilled(t *testing.T) {
	now := clock.NewManual(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	var last agentv1.Progress
	r := &reporter{clock: now, report: func(p agentv1.Progress) { last = p }}
	moved, made, plain := &Item{Fill: &agentv1.Volume{Stream: "volumes/a/b", SizeBytes: 1 << 30}}, &Item{Fill: &agentv1.Volume{}}, &Item{}
	r.expect([]Stage{{Items: []*Item{plain}}, {Items: []*Item{moved, made}}})
	r.phase("volumes")
	then := func(what string, do func(), want agentv1.Progress) {
		t.Helper()
		now.Advance(reportEvery)
		do()
		want.ItemsTotal = 3
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	then("an object", r.done, agentv1.Progress{Phase: "volumes", ItemsDone: 1})
	then("a mover waits", func() { r.loaded(moved, agentv1.Progress{Phase: "waiting for a node"}) },
		agentv1.Progress{Phase: "volumes; waiting for a node", ItemsDone: 1})
	then("a mover begins", func() { r.loaded(moved, agentv1.Progress{BytesDone: 64 << 20, BytesTotal: 767 << 20}) },
		agentv1.Progress{Phase: "volumes", ItemsDone: 1, BytesDone: 64 << 20, BytesTotal: 767 << 20, Percent: 6})
	then("a driver is done", func() { r.settled(made) },
		agentv1.Progress{Phase: "volumes", ItemsDone: 2, BytesDone: 64 << 20, BytesTotal: 767 << 20, Percent: 31})
	then("and again", func() { r.settled(made); r.tell() },
		agentv1.Progress{Phase: "volumes", ItemsDone: 2, BytesDone: 64 << 20, BytesTotal: 767 << 20, Percent: 31})
	then("the mover is done", func() { r.settled(moved) },
		agentv1.Progress{Phase: "volumes", ItemsDone: 3, BytesDone: 64 << 20, BytesTotal: 64 << 20, Percent: 99})
}
