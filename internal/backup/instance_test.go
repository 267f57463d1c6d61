package backup

import (
	"strings"
	"testing"
)

const (
	testVault   = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.DataProtection/backupVaults/v"
	testCluster = "/subscriptions/S/resourceGroups/aksrg/providers/Microsoft.ContainerService/managedClusters/aks1"
	testGroup   = "/subscriptions/S/resourceGroups/snapshotrg"
)

func goodInstance() *Instance {
	i := &Instance{
		UID: strings.Repeat("ab", 16), Datasource: Datasource{ID: testCluster, Type: DatasourceAKS},
		PolicyID: testVault + "/backupPolicies/p1", SnapshotGroupID: testGroup,
		Parameters: BackupParameters{SnapshotVolumes: true, Selection: Selection{IncludedNamespaces: []string{"test"}}},
	}
	i.ID = testVault + "/backupInstances/i1"
	return i
}

func TestInstanceCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Instance)
		target string
	}{
		"as documented":           {func(*Instance) {}, ""},
		"policy in another case":  {func(i *Instance) { i.PolicyID = strings.ToUpper(i.PolicyID) }, ""},
		"no cluster":              {func(i *Instance) { i.Datasource.ID = "" }, "resourceID"},
		"not a cluster":           {func(i *Instance) { i.Datasource.ID = testGroup }, "resourceID"},
		"not an id":               {func(i *Instance) { i.Datasource.ID = "aks1" }, "resourceID"},
		"another type":            {func(i *Instance) { i.Datasource.Type = "Microsoft.Compute/disks" }, "datasourceType"},
		"no policy":               {func(i *Instance) { i.PolicyID = "" }, "policyId"},
		"policy of another vault": {func(i *Instance) { i.PolicyID = testVault + "2/backupPolicies/p1" }, "policyId"},
		"no snapshot group":       {func(i *Instance) { i.SnapshotGroupID = "" }, "dataStoreParametersList"},
		"not a group":             {func(i *Instance) { i.SnapshotGroupID = testVault }, "dataStoreParametersList"},
		"800 namespaces":          {func(i *Instance) { i.Parameters.IncludedNamespaces = repeat("n", 800) }, ""},
		"801 namespaces":          {func(i *Instance) { i.Parameters.IncludedNamespaces = repeat("n", 801) }, "backupDatasourceParametersList"},
		"empty namespace":         {func(i *Instance) { i.Parameters.IncludedNamespaces = []string{""} }, "backupDatasourceParametersList"},
		"unknown volume type":     {func(i *Instance) { i.Parameters.VolumeTypes = []string{"Floppy"} }, "backupDatasourceParametersList"},
		"selector":                {func(i *Instance) { i.Parameters.LabelSelectors = []string{"env=prod", "tier!=web", "a:b"} }, ""},
		"selector without value":  {func(i *Instance) { i.Parameters.LabelSelectors = []string{"env"} }, "backupDatasourceParametersList"},
		"hook without namespace":  {func(i *Instance) { i.Parameters.Hooks = []HookRef{{Name: "h"}} }, "backupDatasourceParametersList"},
	} {
		i := goodInstance()
		c.change(i)
		checkProblem(t, name, i.Check(), CodeInvalidInput, c.target)
	}
}

func repeat(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func TestInstanceAmongOthers(t *testing.T) {
	other := *goodInstance()
	other.ID = testVault + "/backupInstances/i2"
	i := goodInstance()
	if p := i.CheckAmong([]Instance{other}); p == nil || p.Code != CodeDuplicateInstance {
		t.Errorf("the same cluster with the same policy: %v", p)
	}
	if p := i.CheckAmong([]Instance{*i}); p != nil {
		t.Errorf("an instance is in its own way: %v", p)
	}
	other.Protection = ConfiguringFailed
	if p := i.CheckAmong([]Instance{other}); p != nil {
		t.Errorf("a failed instance is in the way: %v", p)
	}
	other.Protection = ProtectionStopped
	if p := i.CheckAmong([]Instance{other}); p == nil {
		t.Error("an instance whose protection is stopped keeps its recovery points")
	}
	other.PolicyID += "2"
	if p := i.CheckAmong([]Instance{other}); p != nil {
		t.Errorf("another policy: %v", p)
	}
}

func TestInstanceChange(t *testing.T) {
	old, i := goodInstance(), goodInstance()
	i.SnapshotGroupID = strings.ToUpper(testGroup)
	if p := i.CheckChange(old); p != nil {
		t.Error(p)
	}
	i.SnapshotGroupID = testGroup + "2"
	if p := i.CheckChange(old); p == nil || p.Code != CodeSnapshotGroupImmutable {
		t.Errorf("another snapshot group: %v", p)
	}
	i = goodInstance()
	i.Datasource.ID += "2"
	if p := i.CheckChange(old); p == nil {
		t.Error("the instance moved to another cluster")
	}
}

func TestSameInstance(t *testing.T) {
	old, i := goodInstance(), goodInstance()
	old.Protection, old.State, old.OperationID, old.ETag = ProtectionConfigured, StateSucceeded, "op", "e1"
	i.UID = ""
	i.Adopt(old)
	if !i.SameAs(old) || i.UID != old.UID {
		t.Error("the same request differs")
	}
	i.Parameters.ExcludedNamespaces = []string{} // empty is not absent
	if i.SameAs(old) {
		t.Error("an empty list passes for an absent one")
	}
}
