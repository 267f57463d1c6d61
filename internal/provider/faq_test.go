package provider_test

import (
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// FAQ: "Azure Backup allows you to back up an AKS cluster multiple times as per
// different application configurations, either in different Backup Vaults or using
// different Backup Policies within the same Backup Vault." Each has namespaces of its
// own; the same policy of the same vault twice is refused with what to do.
func TestFAQClusterIsBackedUpOncePerPolicyAndVault(t *testing.T) {
	t.Parallel()
	w := protect(t)
	instance := func(policy, namespace string) string {
		body := strings.Replace(testdata(t, "instance.json"), policyAt, policy, 1)
		return strings.Replace(body, `"includedNamespaces":["test"]`, `"includedNamespaces":["`+namespace+`"]`, 1)
	}
	second := vaultAt + "/backupInstances/i2"
	if a := w.must(409, "PUT", second, instance(policyAt, "billing")); a.code(t) != "UserErrorDatasourceAlreadyProtectedWithPolicy" ||
		!strings.Contains(string(a.raw), "Use another policy, or another vault") {
		t.Errorf("the same policy again: %s", a.raw)
	}
	w.must(200, "PUT", policyAt+"2", testdata(t, "policy-week.json"))
	otherVault := strings.TrimSuffix(vaultAt, "v1") + "v2"
	w.must(201, "PUT", otherVault, vaultBody)
	w.must(200, "PUT", otherVault+"/backupPolicies/akspolicy", testdata(t, "policy.json"))
	for at, body := range map[string]string{
		second:                             instance(policyAt+"2", "billing"),
		otherVault + "/backupInstances/i1": instance(otherVault+"/backupPolicies/akspolicy", "search"),
	} {
		w.must(201, "PUT", at, body)
		w.finish()
		if a := w.must(200, "GET", at, ""); a.at("properties.currentProtectionState") != "ProtectionConfigured" {
			t.Errorf("%s", a.raw)
		}
	}
	found := map[string]bool{}
	for _, i := range w.must(200, "GET", clusterAt+"/providers/Microsoft.DataProtection/backupInstances", "").at("value").([]any) {
		parameters := i.(map[string]any)["properties"].(map[string]any)["policyInfo"].(map[string]any)["policyParameters"].(map[string]any)
		selection := parameters["backupDatasourceParametersList"].([]any)[0].(map[string]any)
		found[selection["includedNamespaces"].([]any)[0].(string)] = true
	}
	if len(found) != 3 || !found["test"] || !found["billing"] || !found["search"] {
		t.Errorf("the cluster's instances protect %v", found)
	}
}

// FAQ: "What is the RPO supported ... in secondary region?" It is told of each
// instance: how old the newest recovery point there is, how long it took, and that
// what is on its way for more than 12 hours is late.
func TestFAQRPOOfEachInstanceIsShown(t *testing.T) {
	t.Parallel()
	w := newWorldIn(t, backup.Regions{{Name: "eastus", Paired: "westus"}, {Name: "westus", Replicas: true}})
	w.must(201, "PUT", vaultAt, strings.NewReplacer("LocallyRedundant", "GeoRedundant",
		`"storageSettings"`, `"featureSettings":{"crossRegionRestoreSettings":{"state":"Enabled"}},"storageSettings"`).Replace(vaultBody))
	vaulted := w.clock.Now().Add(-26 * time.Hour)
	w.update(func(tx catalog.Tx) error {
		for _, name := range []string{"i1", "i2"} {
			i := &backup.Instance{Meta: backup.Meta{ID: vaultAt + "/backupInstances/" + name}, Protection: backup.ProtectionConfigured}
			if err := inventory.Instances.Put(tx, i); err != nil {
				return err
			}
		}
		there := &backup.Replica{Meta: backup.Meta{ID: at + "/recoveryPoints/b"}, Region: "westus", Time: vaulted.Add(-time.Hour), Due: vaulted, Done: vaulted.Add(time.Minute)}
		coming := &backup.Replica{Meta: backup.Meta{ID: at + "/recoveryPoints/a"}, Region: "westus", Time: vaulted.Add(23 * time.Hour), Due: vaulted.Add(24 * time.Hour)}
		if err := inventory.Replicas.Put(tx, there); err != nil {
			return err
		}
		return inventory.Replicas.Put(tx, coming)
	})
	shown := func() (one, inList map[string]any) {
		one, _ = w.must(200, "GET", at, "").at("properties.holdfastReplication").(map[string]any)
		list := w.must(200, "GET", vaultAt+"/backupInstances", "").at("value").([]any)
		inList, _ = list[0].(map[string]any)["properties"].(map[string]any)["holdfastReplication"].(map[string]any)
		if other := list[1].(map[string]any)["properties"].(map[string]any)["holdfastReplication"]; other != nil {
			t.Errorf("of an instance without recovery points: %v", other)
		}
		return one, inList
	}
	for hours, late := range map[time.Duration]bool{0: false, 11: true} {
		w.clock.Advance(hours * time.Hour)
		one, inList := shown()
		for _, got := range []map[string]any{one, inList} {
			if got["region"] != "westus" || got["rpoInSeconds"] != (27*time.Hour+hours*time.Hour).Seconds() || got["lagInSeconds"] != 60.0 ||
				got["newestRecoveryPointId"] != "b" || got["pending"] != 1.0 || got["late"] != late {
				t.Errorf("after %d hours: %v", hours, got)
			}
		}
		w.clock.Advance(-hours * time.Hour)
	}
}
