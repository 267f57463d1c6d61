package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/cli/console"
)

const protectedInstance = `{"id":"` + vaultPath + `/backupInstances/i","name":"i","properties":{"friendlyName":"shop","objectType":"BackupInstance","policyInfo":{"policyId":"old","policyParameters":{
	"dataStoreParametersList":[{"resourceGroupId":"snap"}],
	"backupDatasourceParametersList":[{"objectType":"KubernetesClusterBackupDatasourceParameters","includedNamespaces":["a"],"includedVolumeTypes":["AzureDisk"],"snapshotVolumes":true}]}}}}`

// TestLifecycleCommands: each sends what az sends.
func TestLifecycleCommands(t *testing.T) {
	id, gone := vaultPath+"/backupInstances/i", vaultPath+"/deletedBackupInstances/i"
	for line, request := range map[string]string{
		"backup-instance stop-protection -n i":                                         "POST " + id + "/stopProtection",
		"backup-instance suspend-backup --backup-instance-name i":                      "POST " + id + "/suspendBackups",
		"backup-instance resume-protection -n i":                                       "POST " + id + "/resumeProtection",
		"backup-instance delete -n i --yes":                                            "DELETE " + id,
		"backup-instance deleted-backup-instance undelete --backup-instance-name i":    "POST " + gone + "/undelete",
		"dataprotection backup-instance deleted-backup-instance show -n i":             "GET " + gone,
		"backup-instance deleted-backup-instance list":                                 "GET " + vaultPath + "/deletedBackupInstances",
		"job list-from-resourcegraph --datasource-type AzureKubernetesService":         "GET " + vaultPath + "/backupJobs",
		"job list --operation ScheduledBackup --status Failed --start-time 2026-01-01": "GET " + vaultPath + "/backupJobs",
	} {
		f := newFixture(t)
		f.answers[request] = `{"value":[]}`
		f.must(strings.Fields(line)...)
		last := len(f.requests) - 1
		if !strings.HasPrefix(f.requests[last], request+" ") || slices.ContainsFunc(f.requests[:last], changes) {
			t.Errorf("%s sent %v", line, f.requests)
		}
	}
}

// changes says whether a request may change something.
func changes(request string) bool { return !strings.HasPrefix(request, "GET ") }

// TestFriendlyNames: the name that people gave is good wherever the name is that the
// service made of it; one that several have is not.
func TestFriendlyNames(t *testing.T) {
	job := `{"name":"j","properties":{"operation":"Backup","status":"Completed"}}`
	for line, last := range map[string]string{
		"backup-instance show -n shop":                                     "GET " + vaultPath + "/backupInstances/i",
		"backup-instance stop-protection -n SHOP":                          "POST " + vaultPath + "/backupInstances/i/stopProtection",
		"backup-instance delete -n prod/shop --yes":                        "DELETE " + vaultPath + "/backupInstances/i",
		"recovery-point list --backup-instance-name shop":                  "GET " + vaultPath + "/backupInstances/i/recoveryPoints",
		"recovery-point list -n i":                                         "GET " + vaultPath + "/backupInstances/i/recoveryPoints",
		"backup-instance deleted-backup-instance undelete -n shop":         "POST " + vaultPath + "/deletedBackupInstances/i/undelete",
		"backup-instance adhoc-backup -n shop --rule-name r --watch":       "GET " + vaultPath + "/backupJobs/j",
		"backup-instance adhoc-backup -n i --rule-name r --watch -o table": "GET " + vaultPath + "/backupJobs/j",
	} {
		f := newFixture(t)
		for _, collection := range []string{"/backupInstances", "/deletedBackupInstances"} {
			f.answers["GET "+vaultPath+collection] = `{"value":[{"name":"i","properties":{"friendlyName":"prod/shop"}},{"name":"k","properties":{"friendlyName":"prod/other"}}]}`
			f.answers["GET "+vaultPath+collection+"/i"] = protectedInstance
		}
		f.answers["POST "+vaultPath+"/backupInstances/i/backup"] = `{"jobId":"` + vaultPath + `/backupJobs/j"}`
		f.answers[last] = job
		f.must(strings.Fields(line)...)
		if got := f.requests[len(f.requests)-1]; !strings.HasPrefix(got, last+" ") {
			t.Errorf("%s sent %v", line, f.requests)
		}
	}
	f := newFixture(t)
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[{"name":"i","properties":{"friendlyName":"a/shop"}},{"name":"k","properties":{"friendlyName":"b/shop"}}]}`
	code, _, errs := f.run("backup-instance", "delete", "-n", "shop", "--yes")
	if code != console.ExitUsage || !strings.Contains(errs, "several backup instances: i, k") || slices.ContainsFunc(f.requests, changes) {
		t.Errorf("exit %d %s, sent %v", code, errs, f.requests)
	}
}

func TestDeleteAsksFirst(t *testing.T) {
	f := newFixture(t)
	if code, _, errs := f.run("backup-instance", "delete", "-n", "i"); code != console.ExitUsage || !strings.Contains(errs, "--yes") || len(f.requests) != 0 {
		t.Errorf("exit %d %s, sent %v", code, errs, f.requests)
	}
}

// TestUpdateCommands: what the flags do not name stays as it is.
func TestUpdateCommands(t *testing.T) {
	id := vaultPath + "/backupInstances/i"
	for _, c := range []struct {
		args         []string
		method, path string
		wrap         string
		want         []string
	}{
		{[]string{"update-policy", "--policy-id", "new"}, "PUT", id, "properties", []string{`"policyId":"new"`, `"includedNamespaces":["a"]`}},
		{[]string{"update", "--aks-backup-configuration", "CONFIG"}, "PUT", id, "properties",
			[]string{`"policyId":"old"`, `"includedNamespaces":["a","b"]`, `"includedVolumeTypes":["AzureDisk"]`, `"labelSelectors":null`, `"resourceGroupId":"snap"`}},
		{[]string{"validate-for-update", "--aks-backup-configuration", "CONFIG"}, "POST", id + "/validateForModifyBackup", "backupInstance",
			[]string{`"includedNamespaces":["a","b"]`}},
	} {
		f := newFixture(t)
		f.answers["GET "+id] = protectedInstance
		f.answers[c.method+" "+c.path] = protectedInstance
		config := filepath.Join(f.dir, "config.json")
		if err := os.WriteFile(config, []byte(f.must("backup-instance", "initialize-backupconfig", "--included-namespaces", "a", "b")), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"backup-instance"}, c.args...)
		for i := range args {
			args[i] = strings.Replace(args[i], "CONFIG", config, 1)
		}
		f.must(append(args, "-n", "i")...)
		sent, err := json.Marshal(f.sent(c.method, c.path)[c.wrap])
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(sent), want) {
				t.Errorf("%v sent %s without %s", c.args, sent, want)
			}
		}
	}
}

// TestJobExport fetches the table from where the service says it is.
func TestJobExport(t *testing.T) {
	f := newFixture(t)
	f.answers["POST "+vaultPath+"/exportBackupJobs"] = `{"blobUrl":"` + vaultPath + `/exportBackupJobs?api-version=1","blobSasKey":""}`
	f.answers["GET "+vaultPath+"/exportBackupJobs"] = "Job ID,Status\n1,Failed\n"
	if out := f.must("job", "export", "--status", "Failed"); out != "Job ID,Status\n1,Failed\n" {
		t.Errorf("printed %q", out)
	}
	file := filepath.Join(f.dir, "jobs.csv")
	f.must("job", "export", "--file", file)
	if got, err := os.ReadFile(file); err != nil || string(got) != "Job ID,Status\n1,Failed\n" {
		t.Errorf("%q, %v", got, err)
	}
	f.answers["POST "+vaultPath+"/exportBackupJobs"] = `{"blobUrl":"https://elsewhere.example/jobs"}`
	if code, _, errs := f.run("job", "export"); code == 0 || !strings.Contains(errs, "another host") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
