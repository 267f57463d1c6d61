package cli

import (
	"strings"
	"testing"
)

// TestCompletion: shells are told names as people know them, and the words of flags.
func TestCompletion(t *testing.T) {
	f := newFixture(t)
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[{"name":"i-guid","properties":{"friendlyName":"prod/shop"}}]}`
	f.answers["GET "+vaultPath+"/backupPolicies"] = `{"value":[{"name":"standard"}]}`
	f.answers["GET "+vaultPath+"/backupJobs"] = `{"value":[{"name":"job-1"}]}`
	for line, want := range map[string]string{
		"backup":                                  "shop",
		"restore":                                 "shop",
		"backup-instance show --name":             "shop",
		"dataprotection backup-instance show -n":  "shop",
		"recovery-point list -n":                  "shop",
		"job list --name":                         "shop",
		"job show --name":                         "job-1",
		"vault verify --instance":                 "shop",
		"backup-policy preview --name":            "standard",
		"job list --status":                       "CompletedWithWarnings",
		"restore shop --from":                     "secondary",
		"status -o":                               "yaml",
		"backup-policy create --backup-strategy":  "DisasterRecovery",
		"backup-vault update --soft-delete-state": "AlwaysOn",
	} {
		out := f.must(append(append([]string{"__complete"}, strings.Fields(line)...), "")...)
		if !strings.Contains(out, want+"\n") || !strings.HasSuffix(strings.TrimSpace(out), ":4") {
			t.Errorf("%s: %q", line, out)
		}
	}
	f.answers = map[string]string{}
	if out := f.must("__complete", "backup", ""); strings.TrimSpace(out) != ":4" {
		t.Errorf("without an answer: %q", out)
	}
}
