package cli

import (
	"slices"
	"strings"
	"testing"
)

const upkeepJob = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v/backupJobs/j"

// answerUpkeep lets an action of the vault start a job that has ended.
func (f *fixture) answerUpkeep(action, job string) {
	f.answers["POST /subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v/"+action] =
		`{"objectType":"OperationJobExtendedInfo","jobId":"` + upkeepJob + `"}`
	f.answers["GET "+upkeepJob] = job
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[{"name":"i","properties":{"friendlyName":"shop"}}]}`
}

func ends(suffix string) func(string) bool {
	return func(text string) bool { return strings.HasSuffix(text, suffix) }
}

// Instances go by the name that people gave them.
func TestVaultVerify(t *testing.T) {
	f := newFixture(t)
	f.answerUpkeep("verify", `{"name":"j","properties":{"operation":"Verify","status":"Failed",
		"errorDetails":[{"code":"UserErrorVaultDamaged","message":"1 recovery points of 1 backup instances cannot be restored","recommendedAction":["Read the warnings."]}],
		"extendedInfo":{"subTasks":[{"taskName":"shop","taskStatus":"Failed"}],"warningDetails":[{"resourceName":"recoveryPoints/abc volume shop/data",
		"warning":{"code":"UserErrorVaultDataDamaged","message":"volume shop/data cannot be restored"}}]}}}`)
	code, _, errs := f.run("vault", "verify", "--vault-name", "v", "--instance", "shop", "--data", "all")
	for _, want := range []string{"recoveryPoints/abc volume shop/data", "UserErrorVaultDataDamaged", "UserErrorVaultDamaged", "what to do: Read the warnings."} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	if code != 1 || !slices.ContainsFunc(f.requests, ends(`/verify {"backupInstanceName":"i","data":"all"}`)) {
		t.Errorf("exit code %d, requests %q", code, f.requests)
	}
}

func TestVaultCollect(t *testing.T) {
	f := newFixture(t)
	f.answerUpkeep("collect", `{"name":"j","properties":{"operation":"Collect","status":"Completed",
		"extendedInfo":{"subTasks":[{"taskName":"shop","taskStatus":"Completed"}],"additionalDetails":{"shop":"2 packs: nothing in them is needed"}}}}`)
	code, _, errs := f.run("backup-vault", "collect", "--dry-run")
	if code != 0 || !strings.Contains(errs, "shop: 2 packs: nothing in them is needed") || !strings.HasSuffix(f.requests[0], `/collect {"backupInstanceName":"","dryRun":true}`) {
		t.Errorf("exit code %d, requests %q\n%s", code, f.requests, errs)
	}
}

// A repair that could not bring back everything names what is lost. Instances that
// were deleted are known by their names alone.
func TestVaultRepair(t *testing.T) {
	f := newFixture(t)
	f.answerUpkeep("repair", `{"name":"j","properties":{"operation":"Repair","status":"CompletedWithWarnings",
		"extendedInfo":{"subTasks":[{"taskName":"shop","taskStatus":"CompletedWithWarnings"}],"additionalDetails":{"shop":"1 recovery points of 2 are damaged\nlost: recoveryPoints/abc objects"},
		"warningDetails":[{"resourceName":"recoveryPoints/abc objects","warning":{"code":"UserErrorVaultDataDamaged","message":"cannot be restored"}}]}}}`)
	code, _, errs := f.run("vault", "repair", "--vault-name", "v", "--instance", "gone", "--dry-run")
	for _, want := range []string{"1 recovery points of 2 are damaged", "recoveryPoints/abc objects", "UserErrorVaultDataDamaged"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	if code != 0 || !slices.ContainsFunc(f.requests, ends(`/repair {"backupInstanceName":"gone","dryRun":true}`)) {
		t.Errorf("exit code %d, requests %q", code, f.requests)
	}
}

// What is damaged is counted where recovery points are.
func TestStatusCountsWhatIsDamaged(t *testing.T) {
	f := newFixture(t)
	const v = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
	f.answers["GET "+v+"/backupInstances"] = `{"value":[{"id":"` + v + `/backupInstances/shop","name":"shop","properties":{"friendlyName":"shop",
		"holdfastReplication":{"region":"west","rpoInSeconds":60,"pending":3,"late":true,"damaged":2}}}]}`
	f.answers["GET "+v+"/backupJobs"] = `{"value":[]}`
	f.answers["GET "+v+"/backupInstances/shop/recoveryPoints"] = `{"value":[{"name":"p","properties":{"recoveryPointDataStoresDetails":[
		{"type":"OperationalStore"},{"type":"VaultStore","holdfastDamage":{"code":"UserErrorVaultDataMissing"}}]}}]}`
	if out := f.must("status", "-o", "table"); !strings.Contains(out, "1 operational, 1 vault (1 damaged)") || !strings.Contains(out, "1m0s old, 3 on the way, late, 2 damaged") {
		t.Error(out)
	}
	if out := f.must("recovery-point", "list", "--backup-instance-name", "shop", "-o", "table"); !strings.Contains(out, "VaultStore") {
		t.Error(out)
	}
}
