package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// Every limit of a policy is refused with its code, the field and a remedy, and
// nothing is stored.
func TestPolicyLimitsNameTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	const rules, invalid = "properties.policyRules", "BMSUserErrorInvalidInput"
	for name, c := range map[string]struct {
		file, old, new string
		target, remedy string // the end of the field's name, and what is recommended
	}{
		"361 days operational":    {"policy-week.json", "P7D", "P361D", rules + "[1].lifecycles[0].deleteAfter.duration", "P360D"},
		"twelve months":           {"policy-week.json", "P7D", "P12M", rules + "[1].lifecycles[0].deleteAfter.duration", "P360D"},
		"half a day":              {"policy-week.json", "P7D", "PT12H", rules + "[1].lifecycles[0].deleteAfter.duration", "P1D"},
		"a century in the vault":  {"policy-disaster-recovery.json", "P90D", "P100Y", rules + "[1].lifecycles[0].deleteAfter.duration", "P99Y"},
		"no duration":             {"policy-week.json", "P7D", "a week", rules + "[1].lifecycles[0].deleteAfter.duration", "such as P7D"},
		"every three hours":       {"policy-week.json", "PT4H", "PT3H", rules + "[0].trigger.schedule.repeatingTimeIntervals", "PT4H, PT6H, PT8H, PT12H, P1D and P1W"},
		"begins in the year 9999": {"policy-week.json", "R/2023-01-04T09:00:00+00:00/", "R/9999-12-31T23:00:00+00:00/", rules + "[0].trigger.schedule.repeatingTimeIntervals", "day of the first backup"},
		"no repeating interval":   {"policy-week.json", "R/2023", "Rx/2023", rules + "[0].trigger.schedule.repeatingTimeIntervals", "Write a repeating time interval as R/"},
		"larger than rules are":   {"policy-week.json", `"id": "Default_"`, `"id": "` + strings.Repeat("x", 64<<10) + `"`, rules, "several policies"},
		"parameters of a kind":    {"policy-week.json", "AzureBackupParams", "AzureBackupParameters", rules + "[0].backupParameters.objectType", ""},
		"a store of a kind":       {"policy-week.json", "DataStoreInfoBase", "DataStoreInfo", rules + "[0].dataStore.objectType", ""},
		"no such zone":            {"policy-week.json", "Coordinated Universal Time", "Zulu Standard Time", rules + "[0].trigger.schedule.timeZone", "Europe/Berlin"},
		"two rules of one name":   {"policy-disaster-recovery.json", `"name": "Vault"`, `"name": "backuphourly"`, rules + "[1].name", ""},
		"no default rule":         {"policy-week.json", `"isDefault": true,` + "\n    \"lifecycles\"", `"isDefault": false,` + "\n    \"lifecycles\"", rules + "[1].isDefault", ""},
		"equal priorities":        {"policy-disaster-recovery.json", `"taggingPriority": 50`, `"taggingPriority": 99`, rules + "[0].trigger.taggingCriteria", "lowest number wins"},
		"tag without a rule":      {"policy-disaster-recovery.json", `"tagName": "Vault"`, `"tagName": "Monthly"`, rules + "[0].trigger.taggingCriteria", "AzureRetentionRule"},
		"copy to the archive":     {"policy-default-vaulted.json", `"dataStoreType": "VaultStore"`, `"dataStoreType": "ArchiveStore"`, "targetDataStoreCopySettings", "VaultStore"},
		"no such profile":         {"policy-limits.json", `"profile": "Azure"`, `"profile": "Amazon"`, "properties.holdfastVaultLimits.profile", "Azure, Unlimited"},
		"negative number":         {"policy-limits.json", `"maxVolumes": 0`, `"maxVolumes": -1`, "properties.holdfastVaultLimits.maxVolumes", "0 is no limit"},
		"limits of nothing": {"policy-week.json", `"objectType": "BackupPolicy",`, `"objectType": "BackupPolicy", "holdfastVaultLimits": {"profile": "Azure"},`,
			"properties.holdfastVaultLimits", "leave holdfastVaultLimits out"},
	} {
		body := strings.Replace(testdata(t, c.file), c.old, c.new, 1)
		if body == testdata(t, c.file) {
			t.Fatalf("%s: %q is not in %s", name, c.old, c.file)
		}
		a := w.must(400, "PUT", policyAt, body)
		target, _ := a.at("error.target").(string)
		if a.code(t) != invalid || !strings.HasSuffix(target, c.target) || a.Header.Get("x-ms-error-code") != invalid || !strings.Contains(string(a.raw), c.remedy) ||
			!strings.Contains(string(a.raw), `"recommendedAction":["`) {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	if list := w.must(200, "GET", vaultAt+"/backupPolicies", "").at("value").([]any); len(list) != 0 {
		t.Errorf("%d policies were stored", len(list))
	}
	for _, name := range []string{"ab", "a_b", "a.b", strings.Repeat("a", 151)} {
		if a := w.do("owner", "PUT", vaultAt+"/backupPolicies/"+name, testdata(t, "policy.json")); a.StatusCode != 400 {
			t.Errorf("the name %q is answered with %d", name, a.StatusCode)
		}
	}
	for _, name := range []string{"abc", strings.Repeat("a", 150)} {
		w.must(200, "PUT", vaultAt+"/backupPolicies/"+name, testdata(t, "policy.json"))
	}
}

// Profiles are written in any case and shown in one; a policy in use keeps its
// limits.
func TestPolicyVaultLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	sent := testdata(t, "policy-limits.json")
	a := w.must(200, "PUT", policyAt, strings.Replace(sent, `"Azure"`, `"AZURE"`, 1))
	if a.at("properties.holdfastVaultLimits.profile") != "Azure" {
		t.Errorf("%s", a.raw)
	}
	if a := w.must(200, "PUT", policyAt, testdata(t, "policy-default-vaulted.json")); a.at("properties.holdfastVaultLimits") != nil {
		t.Errorf("limits that were not sent: %s", a.raw)
	}
	w = protect(t)
	body := strings.Replace(testdata(t, "policy.json"), `"objectType":"BackupPolicy",`, `"objectType":"BackupPolicy","holdfastVaultLimits":{"maxVolumes":1},`, 1)
	if a := w.must(409, "PUT", policyAt, body); a.code(t) != "UserErrorPolicyCannotBeModified" {
		t.Errorf("%s", a.raw)
	}
}

// A vault takes as many policies as it may have; those that are there can still be
// changed, and one that goes makes room.
func TestPoliciesOfAVaultAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	w.update(func(tx catalog.Tx) error {
		for k := range backup.MaxPoliciesPerVault {
			if err := inventory.Policies.Put(tx, &backup.Policy{Meta: backup.Meta{ID: fmt.Sprintf("%s/backupPolicies/many-%04d", vaultAt, k)}}); err != nil {
				return err
			}
		}
		return nil
	})
	w.refused("PUT", policyAt, testdata(t, "policy.json"), "UserErrorMaxPoliciesPerVaultReached", "Use another vault")
	w.must(200, "PUT", vaultAt+"/backupPolicies/many-0001", testdata(t, "policy.json"))
	w.must(200, "DELETE", vaultAt+"/backupPolicies/many-0002", "")
	w.must(200, "PUT", policyAt, testdata(t, "policy.json"))
}

// Clients write the same policy in several ways: with the name in the properties, as
// the command line of Azure does, with nulls where there is nothing, and with names of
// properties and enumerations in any case. All mean the same and are shown alike.
func TestPolicyInTheHandsOfItsClients(t *testing.T) {
	t.Parallel()
	plain := testdata(t, "policy-disaster-recovery.json")
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	shown := func(body string) any {
		w.must(200, "PUT", policyAt, body)
		return w.must(200, "GET", policyAt, "").body["properties"]
	}
	want := shown(plain)
	for name, change := range map[string]edit{
		"name inside":       {`"objectType": "BackupPolicy",`, `"objectType": "BackupPolicy", "name": "akspolicy",`},
		"null members":      {`"isDefault": true,` + "\n       \"taggingPriority\": 99,", `"isDefault": true, "criteria": null, "taggingPriority": 99,`},
		"null limits":       {`"objectType": "BackupPolicy",`, `"objectType": "BackupPolicy", "holdfastVaultLimits": null,`},
		"names in any case": {`"repeatingTimeIntervals"`, `"RepeatingTimeIntervals"`},
		"words in any case": {`"ScheduleBasedTriggerContext"`, `"scheduleBasedTriggerContext"`},
		"tiers in any case": {`"dataStoreType": "VaultStore"`, `"dataStoreType": "vaultstore"`},
		"the datasource":    {`"Microsoft.ContainerService/managedClusters"`, `"microsoft.containerservice/managedclusters"`},
	} {
		if diff := cmp.Diff(want, shown(change.apply(t, plain))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
