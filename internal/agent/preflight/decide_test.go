package preflight_test

import (
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/agent/preflight"
)

// good is a cluster that everything can be installed in.
func good() preflight.Facts {
	return preflight.Facts{
		Major: 1, Minor: 37, Version: "v1.37.2",
		Nodes: []preflight.Node{
			{Name: "system", OS: "linux", Architecture: "amd64", Ready: true, Schedulable: true, Taints: []string{"CriticalAddonsOnly"}},
			{Name: "user", OS: "windows", Architecture: "amd64", Ready: true, Schedulable: true},
		},
		Definitions: []string{
			"volumesnapshots.snapshot.storage.k8s.io", "volumesnapshotcontents.snapshot.storage.k8s.io",
			"volumesnapshotclasses.snapshot.storage.k8s.io",
		},
		SnapshotDrivers: []string{"disk.csi.azure.com"},
		Deployments:     []preflight.Deployment{{Namespace: "shop", Name: "web", Images: []string{"localhost:5000/web:1"}}},
	}
}

func codes(d preflight.Decision) string {
	var all []string
	for _, p := range d.Problems {
		all = append(all, p.Code)
	}
	for _, w := range d.Warnings {
		all = append(all, w.Problem.Code)
	}
	return strings.Join(all, " ")
}

func TestDecide(t *testing.T) {
	deployment := func(namespace, image string) func(*preflight.Facts) {
		return func(f *preflight.Facts) {
			f.Deployments = append(f.Deployments, preflight.Deployment{Namespace: namespace, Name: "d", Images: []string{"sidecar", image}})
		}
	}
	node := func(change func(*preflight.Node)) func(*preflight.Facts) {
		return func(f *preflight.Facts) { change(&f.Nodes[0]) }
	}
	cases := map[string]struct {
		change func(*preflight.Facts)
		want   string
	}{
		"good":               {func(*preflight.Facts) {}, ""},
		"arm64":              {node(func(n *preflight.Node) { n.Architecture = "arm64" }), ""},
		"next major":         {func(f *preflight.Facts) { f.Major, f.Minor = 2, 0 }, ""},
		"old Kubernetes":     {func(f *preflight.Facts) { f.Minor = 25 }, preflight.CodeKubernetesVersion},
		"no nodes":           {func(f *preflight.Facts) { f.Nodes = nil }, preflight.CodeNoNode + " " + preflight.CodeNoAddonPool},
		"only Windows":       {func(f *preflight.Facts) { f.Nodes = f.Nodes[1:] }, preflight.CodeNoNode + " " + preflight.CodeNoAddonPool},
		"riscv":              {node(func(n *preflight.Node) { n.Architecture = "riscv64" }), preflight.CodeNoNode},
		"not ready":          {node(func(n *preflight.Node) { n.Ready = false }), preflight.CodeNoNode},
		"cordoned":           {node(func(n *preflight.Node) { n.Schedulable = false }), preflight.CodeNoNode},
		"tainted":            {node(func(n *preflight.Node) { n.Taints = append(n.Taints, "gpu") }), preflight.CodeNoNode},
		"no add-on pool":     {node(func(n *preflight.Node) { n.Taints = nil }), preflight.CodeNoAddonPool},
		"no snapshots":       {func(f *preflight.Facts) { f.Definitions = f.Definitions[1:] }, preflight.CodeNoSnapshotCRDs},
		"no snapshot class":  {func(f *preflight.Facts) { f.SnapshotDrivers = nil }, preflight.CodeNoSnapshotClass},
		"Velero":             {deployment("tools", "registry.example:5000/velero/velero:v1.16"), preflight.CodeOtherBackup},
		"Velero by digest":   {deployment("tools", "velero@sha256:00"), preflight.CodeOtherBackup},
		"Velero's neighbour": {deployment("tools", "velero/velero-ui:1"), ""},
		"Velero's leftovers": {func(f *preflight.Facts) { f.Definitions = append(f.Definitions, "backups.velero.io") }, preflight.CodeOtherBackup},
		"Azure's extension":  {deployment("dataprotection-microsoft", "mcr/x"), preflight.CodeOtherBackup},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			facts := good()
			c.change(&facts)
			if got := codes(preflight.Decide(facts)); got != c.want {
				t.Errorf("decided %q, want %q", got, c.want)
			}
		})
	}
}

func TestDecideGivesEveryReasonAndAnAction(t *testing.T) {
	decision := preflight.Decide(preflight.Facts{
		Major: 1, Minor: 20, Version: "v1.20.1", Deployments: []preflight.Deployment{{Namespace: "velero", Name: "velero", Images: []string{"velero/velero"}}},
	})
	if len(decision.Problems) != 4 || len(decision.Warnings) != 2 {
		t.Errorf("decided %s", codes(decision))
	}
	for _, p := range decision.Problems {
		if p.Message == "" || len(p.Actions) == 0 {
			t.Errorf("%s says nothing to do", p.Code)
		}
	}
}

func TestManyNodesAreSummed(t *testing.T) {
	facts := good()
	facts.Nodes = slices.Repeat([]preflight.Node{{Name: "w", OS: "windows"}}, 200)
	message := preflight.Decide(facts).Problems[0].Message
	if len(message) > 500 || !strings.Contains(message, "190 more") {
		t.Errorf("message of %d bytes: %s", len(message), message)
	}
}
