package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/cli/console"
)

func TestPolicyEditing(t *testing.T) {
	f := newFixture(t)
	file := func(name, content string) string {
		p := filepath.Join(f.dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	policy := file("p.json", f.must("backup-policy", "get-default-policy-template", "--datasource-type", "AzureKubernetesService"))
	lifecycle := file("lc.json", f.must("backup-policy", "retention-rule", "create-lifecycle", "--count", "30", "--retention-duration-type", "Days",
		"--source-datastore", "OperationalStore", "--target-datastore", "VaultStore", "--copy-option", "ImmediateCopyOption"))
	policy = file("p.json", f.must("backup-policy", "retention-rule", "set", "--name", "Daily", "--lifecycles", lifecycle, "--policy", policy))
	criteria := file("c.json", f.must("backup-policy", "tag", "create-absolute-criteria", "--absolute-criteria", "FirstOfDay"))
	policy = file("p.json", f.must("backup-policy", "tag", "set", "--name", "Daily", "--criteria", criteria, "--policy", policy))
	policy = file("p.json", f.must("backup-policy", "trigger", "set", "--policy", policy, "--schedule", "R/2021-05-02T05:30:00+00:00/PT6H"))
	f.answers["PUT "+vaultPath+"/backupPolicies/mine"] = `{"name":"mine"}`
	f.must("backup-policy", "create", "-n", "mine", "--policy", policy)
	sent := f.sent("PUT", vaultPath+"/backupPolicies/mine")["properties"].(map[string]any)
	rules := sent["policyRules"].([]any)
	if len(rules) != 3 {
		t.Fatalf("%d rules", len(rules))
	}
	trigger := rules[0].(map[string]any)["trigger"].(map[string]any)
	if s := fmt.Sprint(trigger["schedule"].(map[string]any)["repeatingTimeIntervals"]); s != "[R/2021-05-02T05:30:00+00:00/PT6H]" {
		t.Errorf("schedule %s", s)
	}
	tags := trigger["taggingCriteria"].([]any)
	if len(tags) != 2 || tags[1].(map[string]any)["taggingPriority"] != 25.0 {
		t.Errorf("tags %v", tags)
	}
	if code, _, errs := f.run("backup-policy", "retention-rule", "remove", "--name", "Default", "--policy", policy); code != console.ExitUsage {
		t.Errorf("removing Default: exit %d %s", code, errs)
	}
}

// What "show" printed is edited like a document, in its envelope.
func TestPolicyEditingOfWhatShowPrinted(t *testing.T) {
	f := newFixture(t)
	shown := `{"name":"mine","properties":` + f.must("backup-policy", "get-default-policy-template", "--backup-strategy", "DisasterRecovery") + `}`
	edit := func(args ...string) {
		t.Helper()
		shown = f.must(append([]string{"backup-policy"}, append(args, "--policy", shown)...)...)
	}
	edit("trigger", "set", "--schedule", "R/2021-05-02T05:30:00+00:00/PT6H")
	edit("retention-rule", "set", "--name", "Weekly", "--lifecycles", f.must("backup-policy", "retention-rule", "create-lifecycle", "--count", "4", "--retention-duration-type", "Weeks", "--source-datastore", "OperationalStore"))
	edit("tag", "set", "--name", "Weekly", "--criteria", f.must("backup-policy", "tag", "create-absolute-criteria", "--absolute-criteria", "FirstOfWeek"))
	edit("tag", "remove", "--name", "Vault")
	edit("retention-rule", "remove", "--name", "Vault")
	var doc map[string]any
	if err := json.Unmarshal([]byte(shown), &doc); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc["properties"])
	if err != nil || len(doc) != 2 || strings.Contains(string(text), "Vault") {
		t.Fatalf("%v: %s", err, shown)
	}
	for _, want := range []string{`"R/2021-05-02T05:30:00+00:00/PT6H"`, `"tagName":"Weekly"`, `"duration":"P4W"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	f.must("backup-policy", "preview", "--policy", shown)
}

// What is not there cannot be removed, and a backup rule is no retention rule.
func TestPolicyEditingRefusesWhatIsNotThere(t *testing.T) {
	f := newFixture(t)
	policy := f.must("backup-policy", "get-default-policy-template")
	for _, args := range [][]string{{"tag", "remove", "--name", "Daily"}, {"retention-rule", "remove", "--name", "Daily"}, {"retention-rule", "remove", "--name", "BackupHourly"}} {
		code, _, errs := f.run(append([]string{"backup-policy"}, append(args, "--policy", policy)...)...)
		if code != console.ExitUsage || !strings.Contains(errs, args[3]) {
			t.Errorf("%v: exit %d %s", args, code, errs)
		}
	}
}

// A copy some time after the backup says how long after.
func TestLifecycleCopiesAfterAWhile(t *testing.T) {
	f := newFixture(t)
	create := []string{"backup-policy", "retention-rule", "create-lifecycle", "--count", "7", "--retention-duration-type", "Days",
		"--source-datastore", "OperationalStore", "--target-datastore", "VaultStore"}
	lifecycle := f.must(append(create, "--copy-option", "CustomCopyOption", "--copy-after", "P3D")...)
	policy := f.must("backup-policy", "retention-rule", "set", "--name", "Default", "--lifecycles", lifecycle, "--policy", f.must("backup-policy", "get-default-policy-template"))
	if !strings.Contains(policy, `"duration": "P3D"`) {
		t.Errorf("%s", policy)
	}
	f.must("backup-policy", "preview", "--policy", policy)
	for _, wrong := range [][]string{{"--copy-option", "CustomCopyOption"}, {"--copy-after", "P3D"}, {"--copy-option", "CopyOnExpiryOption", "--copy-after", "P3D"}} {
		if code, _, errs := f.run(append(create, wrong...)...); code != console.ExitUsage || !strings.Contains(errs, "--copy-after") {
			t.Errorf("%v: exit %d %s", wrong, code, errs)
		}
	}
}

// A start keeps the offset it is given with, on either side of UTC.
func TestScheduleKeepsOffsets(t *testing.T) {
	f := newFixture(t)
	for day, want := range map[string]string{
		"2026-05-02T05:30:00": "R/2026-05-02T05:30:00+00:00/P1D", "2026-05-02T05:30:00Z": "R/2026-05-02T05:30:00Z/P1D",
		"2026-05-02T05:30:00+02:00": "R/2026-05-02T05:30:00+02:00/P1D", "2026-05-02T05:30:00-05:00": "R/2026-05-02T05:30:00-05:00/P1D",
	} {
		if out := f.must("backup-policy", "trigger", "create-schedule", "--interval-type", "Daily", "--schedule-days", day); !strings.Contains(out, `"`+want+`"`) {
			t.Errorf("%s: %s", day, out)
		}
	}
}

// The strategies of az dataprotection enable-backup, as policies that the service
// takes: preview checks them as it does.
func TestPolicyStrategies(t *testing.T) {
	f := newFixture(t)
	for strategy, want := range map[string]string{"Week": "P7D", "month": "P30D", "DisasterRecovery": "P90D"} {
		out := f.must("backup-policy", "get-default-policy-template", "--backup-strategy", strategy)
		if !strings.Contains(out, `"`+want+`"`) || strings.Contains(out, "VaultStore") != (want == "P90D") {
			t.Errorf("%s: %s", strategy, out)
		}
		f.must("backup-policy", "preview", "--policy", out)
		f.answers["PUT "+vaultPath+"/backupPolicies/p1"], f.requests = `{"name":"p1"}`, nil
		f.must("backup-policy", "create", "-n", "p1", "--backup-strategy", strategy)
		var printed map[string]any
		if err := json.Unmarshal([]byte(out), &printed); err != nil {
			t.Fatal(err)
		}
		if got := f.sent("PUT", vaultPath+"/backupPolicies/p1")["properties"]; fmt.Sprint(got) != fmt.Sprint(printed) {
			t.Errorf("%s: created %v, printed %v", strategy, got, printed)
		}
	}
	for _, wrong := range []string{"Custom", "Year"} {
		if code, _, errs := f.run("backup-policy", "get-default-policy-template", "--backup-strategy", wrong); code != console.ExitUsage {
			t.Errorf("%s: exit %d %s", wrong, code, errs)
		}
	}
}

func TestPolicyVaultLimits(t *testing.T) {
	f := newFixture(t)
	policy := f.must("backup-policy", "get-default-policy-template", "--backup-strategy", "DisasterRecovery")
	policy = f.must("backup-policy", "vault-limits", "set", "--policy", policy, "--profile", "azure", "--max-volume-size", "2Ti", "--max-volumes", "0", "--max-rate", "1000")
	var doc map[string]any
	if err := json.Unmarshal([]byte(policy), &doc); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(doc["holdfastVaultLimits"]); got != "map[maxBytesPerSecond:1000 maxVolumeSizeInBytes:2.199023255552e+12 maxVolumes:0 profile:azure]" {
		t.Errorf("limits %s", got)
	}
	f.must("backup-policy", "preview", "--policy", policy)
	if out := f.must("backup-policy", "vault-limits", "remove", "--policy", `{"properties":`+policy+`}`); strings.Contains(out, "Limits") {
		t.Errorf("still there: %s", out)
	}
	for _, wrong := range [][]string{nil, {"--max-volume-size", "big"}, {"--max-volume-size", "-1"}, {"--max-rate", "9999999Pi"}} {
		if code, _, errs := f.run(append([]string{"backup-policy", "vault-limits", "set", "--policy", policy}, wrong...)...); code != console.ExitUsage {
			t.Errorf("%v: exit %d %s", wrong, code, errs)
		}
	}
}
