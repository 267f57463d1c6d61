package policywire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/policywire"
)

// whole has everything that a policy can say.
const whole = `{
  "objectType": "BackupPolicy", "datasourceTypes": ["Microsoft.ContainerService/managedClusters"],
  "policyRules": [
    {"objectType": "AzureBackupRule", "name": "BackupHourly",
     "dataStore": {"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"},
     "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"},
     "trigger": {"objectType": "ScheduleBasedTriggerContext",
       "schedule": {"repeatingTimeIntervals": ["R/2026-11-01T06:00:00+00:00/PT4H"], "timeZone": "UTC"},
       "taggingCriteria": [
         {"isDefault": true, "taggingPriority": 99, "tagInfo": {"tagName": "Default", "id": "Default_"}},
         {"isDefault": false, "taggingPriority": 15, "tagInfo": {"tagName": "Monthly"}, "criteria": [
           {"objectType": "ScheduleBasedBackupCriteria", "absoluteCriteria": ["FirstOfMonth"], "daysOfTheWeek": ["Monday"],
            "daysOfMonth": [{"date": 3, "isLast": false}, {"isLast": true}], "weeksOfTheMonth": ["Last"], "monthsOfYear": ["May"],
            "scheduleTimes": ["2026-11-01T06:00:00Z"]}]}]}},
    {"objectType": "AzureRetentionRule", "name": "Default", "isDefault": true, "lifecycles": [
      {"sourceDataStore": {"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"},
       "deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P7D"},
       "targetDataStoreCopySettings": [{"dataStore": {"objectType": "DataStoreInfoBase", "dataStoreType": "VaultStore"},
         "copyAfter": {"objectType": "CustomCopyOption", "duration": "P2D"}}]}]}],
  "holdfastVaultLimits": {"profile": "Azure", "maxVolumes": 7}
}`

func parsed(t *testing.T, text string) *v1.PolicyProperties {
	t.Helper()
	var out v1.PolicyProperties
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestWhatIsReadIsShown(t *testing.T) {
	for name, text := range map[string]string{
		"as documented":    whole,
		"words in capital": strings.ReplaceAll(strings.ReplaceAll(whole, "Incremental", "INCREMENTAL"), "VaultStore", "VAULTSTORE"),
	} {
		policy, err := policywire.Read(parsed(t, text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(parsed(t, whole), policywire.Show(policy)); diff != "" {
			t.Errorf("%s: shown (+) is not what was written (-):\n%s", name, diff)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for _, c := range []struct{ old, new, target string }{
		{`"objectType": "BackupPolicy", `, ``, "properties.objectType"},
		{`"AzureBackupRule"`, `"AzureBackup"`, "properties.policyRules[0].objectType"},
		{`"trigger"`, `"triggers"`, "properties.policyRules[0].trigger"},
		{`"tagName": "Monthly"`, `"tagName": ""`, "properties.policyRules[0].trigger.taggingCriteria.tagInfo.tagName"},
		{`"taggingPriority": 15`, `"priority": 15`, "properties.policyRules[0].trigger.taggingCriteria.taggingPriority"},
		{`"taggingPriority": 15`, `"taggingPriority": null`, "properties.policyRules[0].trigger.taggingCriteria.taggingPriority"},
		{`"VaultStore"`, `"Attic"`, "properties.policyRules[1].lifecycles[0].targetDataStoreCopySettings.dataStore.dataStoreType"},
		{`"deleteAfter"`, `"keep"`, "properties.policyRules[1].lifecycles[0].deleteAfter"},
		{`AzureBackupParams`, `AzureParams`, "properties.policyRules[0].backupParameters.objectType"},
		{`DataStoreInfoBase`, `DataStoreInfo`, "properties.policyRules[0].dataStore.objectType"},
		{`ScheduleBasedTriggerContext`, `AdhocBasedTriggerContext`, "properties.policyRules[0].trigger.objectType"},
		{`ScheduleBasedBackupCriteria`, ``, "properties.policyRules[0].trigger.taggingCriteria.criteria.objectType"},
		{`AbsoluteDeleteOption`, `Never`, "properties.policyRules[1].lifecycles[0].deleteAfter.objectType"},
		{`CustomCopyOption`, `CopyOption`, "properties.policyRules[1].lifecycles[0].targetDataStoreCopySettings.copyAfter.objectType"},
	} {
		text := strings.Replace(whole, c.old, c.new, 1)
		_, err := policywire.Read(parsed(t, text))
		if problem, ok := backup.AsProblem(err); !ok || problem.Target != c.target || problem.Code != backup.CodeInvalidInput {
			t.Errorf("%s for %s: %v, want a problem of %s", c.new, c.old, err, c.target)
		}
	}
	if _, err := policywire.Read(nil); err == nil {
		t.Error("a policy without properties was read")
	}
}

// Whatever of a policy is null or missing, it is read or refused for what is missing.
func TestNothingThatIsNullIsTooMuch(t *testing.T) {
	var doc any
	if err := json.Unmarshal([]byte(whole), &doc); err != nil {
		t.Fatal(err)
	}
	count := 0
	var visit func(node any)
	try := func(put func(any), old any) {
		count++
		put(nil)
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		policy, err := policywire.Read(parsed(t, string(text)))
		if err == nil {
			policy.ID = "/backupPolicies/whole"
			policy.Check()
			policywire.Show(policy)
		} else if problem, ok := backup.AsProblem(err); !ok || problem.Target == "" || len(problem.Actions) == 0 {
			t.Errorf("%s: %v", text, err)
		}
		put(old)
		visit(old)
	}
	visit = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			for name, old := range node {
				try(func(v any) { node[name] = v }, old)
			}
		case []any:
			for i, old := range node {
				try(func(v any) { node[i] = v }, old)
			}
		}
	}
	visit(doc)
	if count < 50 {
		t.Errorf("only %d places were tried", count)
	}
}
