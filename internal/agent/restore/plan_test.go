package restore

import (
	stdcmp "cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/order"
)

var update = flag.Bool("update", false, "write the golden plans")

// served is what a plain cluster with the snapshot kinds serves.
func servedKinds() map[string]kind {
	kinds := map[string]kind{}
	for _, line := range strings.Fields(`
		/Namespace=namespaces /PersistentVolume=persistentvolumes /Pod:pods /Service:services /Endpoints:endpoints
		/Secret:secrets /ConfigMap:configmaps /ServiceAccount:serviceaccounts /PersistentVolumeClaim:persistentvolumeclaims
		/Event:events /ResourceQuota:resourcequotas apps/Deployment:deployments apps/ReplicaSet:replicasets
		apps/StatefulSet:statefulsets apps/ControllerRevision:controllerrevisions batch/Job:jobs batch/CronJob:cronjobs
		discovery.k8s.io/EndpointSlice:endpointslices networking.k8s.io/NetworkPolicy:networkpolicies
		networking.k8s.io/Ingress:ingresses policy/PodDisruptionBudget:poddisruptionbudgets
		rbac.authorization.k8s.io/Role:roles rbac.authorization.k8s.io/RoleBinding:rolebindings
		rbac.authorization.k8s.io/ClusterRole=clusterroles snapshot.storage.k8s.io/VolumeSnapshot:volumesnapshots
		admissionregistration.k8s.io/ValidatingWebhookConfiguration=validatingwebhookconfigurations
		apiextensions.k8s.io/CustomResourceDefinition=customresourcedefinitions`) {
		name, resource, namespaced := strings.Cut(line, ":")
		if !namespaced {
			name, resource, _ = strings.Cut(line, "=")
		}
		kinds[name] = kind{Resource: resource, Namespaced: namespaced, Versions: []string{"v1"}}
	}
	return kinds
}

// everything pretends that all objects of an archive exist.
func everything(archive *Archive) map[string]Object {
	objects := map[string]Object{}
	for _, entry := range archive.Entries {
		objects[entry.key()] = Object{UID: "live-" + entry.UID}
	}
	return objects
}

func render(stages []Stage) string {
	var b strings.Builder
	for _, stage := range stages {
		fmt.Fprintf(&b, "%s\n", stage.Order)
		for _, item := range stage.Items {
			fmt.Fprintf(&b, "  %-7s %s", item.Action, item.Target)
			if item.Fill != nil {
				fmt.Fprintf(&b, " from %s", item.Fill.SnapshotHandle)
			}
			if item.Reason.Code != "" {
				fmt.Fprintf(&b, " (%s)", item.Reason.Code)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func TestGoldenPlans(t *testing.T) {
	whole := agentv1.Restore{RestoreVolumeData: true, ConflictPolicy: agentv1.ConflictSkip,
		Selection: agentv1.Selection{IncludeClusterScopeResources: true}}
	with := func(change func(*agentv1.Restore)) agentv1.Restore {
		r := whole
		change(&r)
		return r
	}
	for name, test := range map[string]struct {
		restore agentv1.Restore
		exists  bool
	}{
		"empty-cluster":   {restore: whole},
		"skip-existing":   {restore: whole, exists: true},
		"patch-existing":  {exists: true, restore: with(func(r *agentv1.Restore) { r.ConflictPolicy = agentv1.ConflictPatch })},
		"mapped":          {exists: true, restore: with(func(r *agentv1.Restore) { r.NamespaceMappings = map[string]string{"shop": "copy"} })},
		"empty-claims":    {restore: with(func(r *agentv1.Restore) { r.RestoreVolumeData = false })},
		"namespaced-only": {restore: with(func(r *agentv1.Restore) { r.Selection.IncludeClusterScopeResources = false })},
		"one-namespace":   {restore: with(func(r *agentv1.Restore) { r.Selection.IncludedNamespaces = []string{"other"} })},
		"excluded-types": {restore: with(func(r *agentv1.Restore) {
			r.Selection.ExcludedResourceTypes = []string{"v1/Secret", "deployments.apps", "Job"}
		})},
		"only-config-maps": {restore: with(func(r *agentv1.Restore) { r.Selection.IncludedResourceTypes = []string{"configmaps"} })},
		"labelled":         {restore: with(func(r *agentv1.Restore) { r.Selection.LabelSelectors = []string{"app:web"} })},
	} {
		t.Run(name, func(t *testing.T) {
			archive := archiveOf(t, shop(t), shopVolumes)
			live := Live{Kinds: servedKinds(), Objects: map[string]Object{}}
			if test.exists {
				live.Objects = everything(archive)
			}
			stages, err := Plan(archive, live, test.restore, "holdfast")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "plan-"+name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(render(stages)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), render(stages)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanRefusesABadSelector(t *testing.T) {
	_, err := Plan(archiveOf(t, shop(t), nil), Live{}, agentv1.Restore{Selection: agentv1.Selection{LabelSelectors: []string{"=="}}}, "")
	if err == nil {
		t.Fatal("no error")
	}
}

// drawEntries makes an archive whose objects own one another: in circles too,
// or always the earlier one the later.
func drawEntries(rt *rapid.T, circles bool) []*Entry {
	kinds := []Ref{{"", "v1", "ConfigMap", "", ""}, {"apps", "v1", "Deployment", "", ""}, {"apps", "v1", "StatefulSet", "", ""},
		{"", "v1", "PersistentVolumeClaim", "", ""}, {"x.example.org", "v1", "A", "", ""}, {"x.example.org", "v1", "B", "", ""}}
	n := rapid.IntRange(1, 25).Draw(rt, "objects")
	entries := make([]*Entry, n)
	for i := range entries {
		ref := rapid.SampledFrom(kinds).Draw(rt, "kind")
		ref.Namespace, ref.Name = rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "namespace"), fmt.Sprint("o", n-i)
		entries[i] = &Entry{Ref: ref, UID: fmt.Sprint("u", i), at: place{length: 1}}
		last := n - 1
		if !circles {
			last = i - 1
		}
		for range rapid.IntRange(0, 2).Draw(rt, "owners") {
			if last >= 0 {
				owner := rapid.IntRange(0, last).Draw(rt, "owner")
				entries[i].Owners = append(entries[i].Owners, Owner{UID: fmt.Sprint("u", owner)})
			}
		}
	}
	return entries
}

// Whatever the archive: every object is planned once, stages come in order,
// a namespace comes before what is in it, claims come before workloads, and a
// custom resource comes after the custom resources that own it.
func TestPlanOrder(t *testing.T) {
	kinds := servedKinds()
	kinds["x.example.org/A"] = kind{Resource: "as", Namespaced: true, Versions: []string{"v1"}}
	kinds["x.example.org/B"] = kind{Resource: "bs", Namespaced: true, Versions: []string{"v1"}}
	rapid.Check(t, func(rt *rapid.T) {
		circles := rapid.Bool().Draw(rt, "circles")
		entries := drawEntries(rt, circles)
		mapping := map[string]string{"a": rapid.SampledFrom([]string{"a", "c"}).Draw(rt, "mapping")}
		stages, err := Plan(&Archive{Entries: entries}, Live{Kinds: kinds}, agentv1.Restore{NamespaceMappings: mapping}, "")
		if err != nil {
			rt.Fatal(err)
		}
		position, byUID := map[string]int{}, map[string]*Item{}
		last := order.Stage(-1)
		for _, stage := range stages {
			if stage.Order <= last {
				rt.Fatalf("stage %s after %s", stage.Order, last)
			}
			last = stage.Order
			for _, item := range stage.Items {
				if _, twice := position[item.Target.key()]; twice {
					rt.Fatalf("%s is planned twice", item.Target)
				}
				position[item.Target.key()] = len(position)
				byUID[item.Entry.UID] = item
			}
		}
		for _, entry := range entries {
			checkPosition(rt, byUID, position, entry, circles)
		}
	})
}

func checkPosition(rt *rapid.T, byUID map[string]*Item, position map[string]int, entry *Entry, circles bool) {
	item := byUID[entry.UID]
	if item == nil {
		rt.Fatalf("%s is not planned", entry.Ref)
	}
	at := position[item.Target.key()]
	space, planned := position[Ref{Kind: "Namespace", Name: item.Target.Namespace}.key()]
	if !planned || space > at {
		rt.Fatalf("%s before its namespace", item.Target)
	}
	for _, owner := range entry.Owners {
		above := byUID[owner.UID]
		if !circles && stageOf(item) == order.Custom && stageOf(above) == order.Custom && above.Level >= item.Level {
			rt.Fatalf("%s (level %d) is not after its owner %s (level %d)", item.Target, item.Level, above.Target, above.Level)
		}
	}
}

func TestObjectsAreComparedWithoutAllocating(t *testing.T) {
	ordered := []Ref{
		{"", "v1", "Node", "", "n"}, {"", "v1", "Secret", "a", "x"}, {"", "v1", "Secret", "a", "y"},
		{"", "v1", "Secret", "a-b", "a"}, {"apps", "v1", "Deployment", "a", "a"},
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.compare(b); got != stdcmp.Compare(i, j) {
				t.Errorf("%s compared with %s: %d", a, b, got)
			}
		}
	}
	other := ordered[1]
	if other.Version = "v2"; ordered[1].compare(other) != 0 {
		t.Error("the version matters")
	}
	if n := testing.AllocsPerRun(10, func() { ordered[1].compare(ordered[2]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTwoNamespacesInOne(t *testing.T) {
	archive := archiveOf(t, documents(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: same, namespace: a, uid: u1}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: same, namespace: b, uid: u2}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: b, uid: u3}}`), nil)
	stages, err := Plan(archive, Live{Kinds: servedKinds()}, agentv1.Restore{NamespaceMappings: map[string]string{"a": "c", "b": "c"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := `namespaces
  Create  Namespace c
  Skip    Namespace c (TargetShared)
access
  Create  ConfigMap c/other
  Create  ConfigMap c/same
  Refuse  ConfigMap c/same (TargetShared)
`
	if diff := cmp.Diff(want, render(stages)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
