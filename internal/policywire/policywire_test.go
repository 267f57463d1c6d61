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
		{`"VaultStore"`, `"Attic"`, "properties.policyRules[1].lifecycles[0].targetDataStoreCopySettings.dataStore.dataStoreType"},
		{`"deleteAfter"`, `"keep"`, "properties.policyRules[1].lifecycles[0].deleteAfter"},
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
