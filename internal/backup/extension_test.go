package backup

import (
	"maps"
	"strings"
	"testing"
)

func goodExtension() *Extension {
	e := &Extension{Type: "microsoft.dataprotection.kubernetes", Settings: map[string]string{
		"blobContainer": "c1", "storageAccount": "acct", "storageAccountResourceGroup": "sarg", "storageAccountSubscriptionId": "S",
	}}
	e.ID = testCluster + "/providers/Microsoft.KubernetesConfiguration/extensions/azure-aks-backup"
	return e
}

func TestExtensionSettings(t *testing.T) {
	short := goodExtension()
	long := goodExtension()
	long.Settings = map[string]string{SettingContainer: "c1", SettingAccount: "acct", SettingAccountGroup: "sarg", SettingAccountSub: "S"}
	want := ContainerID(testAccount, "c1")
	for _, e := range []*Extension{short, long} {
		if got, p := e.ContainerID(); p != nil || got != want {
			t.Errorf("%v: %s, %v; want %s", e.Settings, got, p, want)
		}
		if p := e.Check(); p != nil {
			t.Error(p)
		}
		if e.ClusterID() != testCluster {
			t.Errorf("ClusterID = %s", e.ClusterID())
		}
	}
	if AccountOfContainer(want) != testAccount {
		t.Errorf("AccountOfContainer = %s", AccountOfContainer(want))
	}
	delete(short.Settings, "blobContainer")
	if p := short.Check(); p == nil || p.Code != CodeNoDefaultLocation {
		t.Errorf("without a container: %v", p)
	}
	long.Type = "Microsoft.Flux"
	checkProblem(t, "another type", long.Check(), CodeInvalidInput, "extensionType")
	long.Type = ""
	checkProblem(t, "no type", long.Check(), CodeInvalidInput, "extensionType")
}

func TestMergeSettings(t *testing.T) {
	base := map[string]string{"cpuLimit": "1", "blobContainer": "c1"}
	got := MergeSettings(base, map[string]string{SettingCPULimit: "2", "memoryLimit": "3"})
	if want := map[string]string{SettingCPULimit: "2", "memoryLimit": "3", "blobContainer": "c1"}; !maps.Equal(got, want) {
		t.Errorf("merged %v, want %v", got, want)
	}
	if base["cpuLimit"] != "1" {
		t.Error("the base was changed")
	}
}

func TestSameExtension(t *testing.T) {
	old, e := goodExtension(), goodExtension()
	old.State, old.ClusterPrincipal, old.CurrentVersion, old.ETag = StateSucceeded, "p", "1.0", "e"
	e.Adopt(old)
	if !e.SameAs(old) {
		t.Error("the same declaration differs")
	}
	e.Settings["cpuLimit"] = "1"
	if e.SameAs(old) {
		t.Error("another limit was overlooked")
	}
}

// Who is refused while an operation goes on is told where it says what it waits for.
func TestBusyExtension(t *testing.T) {
	e := goodExtension()
	e.State = StateUpdating
	p := e.Busy("change it")
	if !p.Retryable || !strings.Contains(p.Message, "is updating") || len(p.Actions) != 1 || !strings.Contains(p.Actions[0], "holdfast k8s-extension show") {
		t.Errorf("%+v", p)
	}
}

func TestBinding(t *testing.T) {
	for name, c := range map[string]struct {
		b      TrustedAccessBinding
		target string
	}{
		"good":         {TrustedAccessBinding{SourceID: testVault, Roles: []string{BackupOperatorRole}}, ""},
		"no source":    {TrustedAccessBinding{Roles: []string{BackupOperatorRole}}, "sourceResourceId"},
		"not a vault":  {TrustedAccessBinding{SourceID: testCluster, Roles: []string{BackupOperatorRole}}, "sourceResourceId"},
		"no role":      {TrustedAccessBinding{SourceID: testVault}, "roles"},
		"unknown role": {TrustedAccessBinding{SourceID: testVault, Roles: []string{"cluster-admin"}}, "roles"},
	} {
		checkProblem(t, name, c.b.Check(), CodeInvalidInput, c.target)
	}
}
