package provider_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/backup"
)

func TestInstanceLife(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	a := w.must(201, "PUT", at, testdata(t, "instance.json"))
	if a.at("properties.provisioningState") != "Provisioning" || a.at("properties.protectionStatus.status") != "ConfiguringProtection" {
		t.Errorf("while configuring: %s", a.raw)
	}
	async := a.Header.Get("Azure-AsyncOperation")
	if !strings.Contains(async, sub+"/providers/Microsoft.DataProtection/locations/eastus/operationStatus/") || a.Header.Get("Retry-After") == "" {
		t.Errorf("headers: %v", a.Header)
	}
	status := w.must(200, "GET", strings.TrimSuffix(strings.TrimPrefix(async, w.URL), "?api-version=2025-07-01"), "")
	if status.at("status") != "Inprogress" || status.at("endTime") != "0001-01-01T00:00:00Z" {
		t.Errorf("status: %s", status.raw)
	}

	// A request repeated after a lost answer can wait for the same operation.
	again := w.must(200, "PUT", at, testdata(t, "instance.json"))
	if again.Header.Get("Azure-AsyncOperation") != async {
		t.Errorf("the repeated request waits for %s", again.Header.Get("Azure-AsyncOperation"))
	}
	w.finish()
	got, err := poll(w, a)
	if err != nil {
		t.Fatal(err)
	}
	checkSettled(t, got["properties"].(map[string]any))
	if r := w.must(200, "PUT", at, testdata(t, "instance.json")); r.Header.Get("Azure-AsyncOperation") != "" || len(w.work()) != 0 {
		t.Error("an unchanged PUT started something")
	}

	gone := w.must(202, "DELETE", at, "")
	if len(gone.raw) != 0 || gone.Header.Get("Location") == "" {
		t.Errorf("DELETE: %q %v", gone.raw, gone.Header)
	}
	if twice := w.must(202, "DELETE", at, ""); twice.Header.Get("Location") != gone.Header.Get("Location") {
		t.Error("a second DELETE started a second operation")
	}
	if a := w.must(409, "PUT", at, testdata(t, "instance.json")); a.code(t) != "UserErrorOperationNotAllowedInCurrentState" {
		t.Errorf("PUT while deleting: %s", a.raw)
	}
	w.finish()
	if _, err := poll(w, gone); err != nil {
		t.Error(err)
	}
	w.must(404, "GET", at, "")
	w.must(204, "DELETE", at, "")
}

// checkSettled compares a settled instance with what was recorded of the
// original, and with what was sent.
func checkSettled(t *testing.T, got map[string]any) {
	t.Helper()
	want := map[string]any{}
	decode(t, testdata(t, "instance.json"), &want)
	want = want["properties"].(map[string]any)
	delete(want, "datasourceAuthCredentials")
	want["policyInfo"].(map[string]any)["policyVersion"] = ""
	want["protectionStatus"] = map[string]any{"status": "ProtectionConfigured"}
	want["currentProtectionState"] = "ProtectionConfigured"
	want["provisioningState"] = "Succeeded"
	want["identityDetails"] = map[string]any{"useSystemAssignedIdentity": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settled instance (-want +got):\n%s", diff)
	}
}

// TestAbsentListsAreNull: the original answers null for lists that were not sent.
func TestAbsentListsAreNull(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	body := strings.Replace(testdata(t, "instance.json"), `"includedResourceTypes":[],`, "", 1)
	got := w.must(201, "PUT", at, body).at("properties.policyInfo.policyParameters").(map[string]any)
	list := got["backupDatasourceParametersList"].([]any)[0].(map[string]any)
	if v, there := list["includedResourceTypes"]; !there || v != nil {
		t.Errorf("includedResourceTypes = %v, %v", v, there)
	}
	if v, ok := list["labelSelectors"].([]any); !ok || len(v) != 0 {
		t.Errorf("labelSelectors = %v", list["labelSelectors"])
	}
}

func TestInstanceUpdate(t *testing.T) {
	t.Parallel()
	w := protect(t)
	changed := strings.Replace(testdata(t, "instance.json"), `["test"]`, `["test","more"]`, 1)
	a := w.must(200, "PUT", at, changed)
	if a.at("properties.currentProtectionState") != "UpdatingProtection" || a.Header.Get("Azure-AsyncOperation") == "" {
		t.Errorf("%s", a.raw)
	}
	if b := w.must(409, "PUT", at, testdata(t, "instance.json")); b.code(t) != "UserErrorOperationNotAllowedInCurrentState" {
		t.Errorf("a change during a change: %s", b.raw)
	}
	w.finish()
	if got, err := poll(w, a); err != nil || got["properties"].(map[string]any)["currentProtectionState"] != "ProtectionConfigured" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestInstanceLists(t *testing.T) {
	t.Parallel()
	w := protect(t)
	for path, want := range map[string]int{
		vaultAt + "/backupInstances":                                                       1,
		clusterAt + "/providers/Microsoft.DataProtection/backupInstances":                  1,
		strings.ToLower(clusterAt) + "/providers/microsoft.dataprotection/backupinstances": 1,
		secondAt + "/providers/Microsoft.DataProtection/backupInstances":                   0,
	} {
		if got := w.must(200, "GET", path, "").at("value").([]any); len(got) != want {
			t.Errorf("%s: %d instances, want %d", path, len(got), want)
		}
	}
}

// TestSyncRepeatsWhatFailed: sync starts the configuration once more.
func TestSyncRepeatsWhatFailed(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	w.must(201, "PUT", at, testdata(t, "instance.json"))
	w.work()
	w.fail(backup.NewProblem(backup.CodeExtensionNotFound, clusterAt, "no extension"))
	a := w.must(200, "GET", at, "")
	if a.at("properties.protectionErrorDetails.code") != "UserErrorKubernetesBackupExtensionNotFoundError" || a.at("properties.provisioningState") != "Failed" {
		t.Errorf("%s", a.raw)
	}
	// The command line validates before every attempt, the second one too.
	w.must(202, "POST", vaultAt+"/validateForBackup", strings.Replace(testdata(t, "instance.json"), `{"properties":`, `{"backupInstance":`, 1))
	if a := w.must(400, "POST", at+"/sync", `{"syncType":"Sometimes"}`); a.code(t) != "BMSUserErrorInvalidInput" || a.at("error.target") != "syncType" {
		t.Errorf("%s", a.raw)
	}
	w.must(202, "POST", at+"/sync", `{"syncType":"forceresync"}`)
	w.finish()
	if got := w.must(200, "GET", at, "").at("properties.currentProtectionState"); got != "ProtectionConfigured" {
		t.Errorf("after sync: %v", got)
	}
}

func TestValidateForBackup(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	body := strings.Replace(testdata(t, "instance.json"), `{"properties":`, `{"backupInstance":`, 1)
	a := w.must(202, "POST", vaultAt+"/validateForBackup", body)
	if a.Header.Get("Location") == "" || a.Header.Get("Azure-AsyncOperation") == "" || len(a.raw) != 0 {
		t.Errorf("%v %q", a.Header, a.raw)
	}
	work := w.work()
	if len(work) != 1 || work[0].Kind != backup.WorkValidateBackup || work[0].Instance == nil || work[0].Instance.UID == "" {
		t.Fatalf("work: %+v", work)
	}
	w.must(404, "GET", work[0].Subject, "")
	w.end(work[0], backup.NewProblem(backup.CodeTrustedAccessMissing, clusterAt, "no binding"))
	if _, err := poll(w, a); err == nil || !strings.Contains(err.Error(), "UserErrorTrustedAccessRoleBindingNotFound") {
		t.Errorf("validation ended with %v", err)
	}
	// With the instance in place a second one on the same cluster is refused at once.
	w.must(201, "PUT", at, testdata(t, "instance.json"))
	if a := w.must(409, "POST", vaultAt+"/validateForBackup", body); a.code(t) != "UserErrorDatasourceAlreadyProtectedWithPolicy" {
		t.Errorf("%s", a.raw)
	}
	if a := w.must(409, "POST", at+"/validateForModifyBackup", body); a.code(t) != "UserErrorOperationNotAllowedInCurrentState" {
		t.Errorf("a change while it is being configured: %s", a.raw)
	}
	w.finish()
	w.must(202, "POST", at+"/validateForModifyBackup", body)
}

// TestSpelling: property names, enumerations, types and ids may come in any case.
func TestSpelling(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	body := strings.NewReplacer(`"resourceID"`, `"resourceId"`, `"objectType":"BackupInstance"`, `"objecttype":"backupinstance"`,
		`"policyId":"/subscriptions/S/resourceGroups/rg/providers/Microsoft.DataProtection`, `"policyId":"/subscriptions/s/resourcegroups/RG/providers/microsoft.dataprotection`,
		`"OperationalStore"`, `"operationalstore"`).Replace(testdata(t, "instance.json"))
	path := strings.ReplaceAll(strings.ToLower(at), "/i1", "/I1")
	a := w.must(201, "PUT", path, body)
	if a.at("properties.objectType") != "BackupInstance" || a.at("properties.dataSourceInfo.resourceID") != clusterAt {
		t.Errorf("%s", a.raw)
	}
	if !strings.Contains(a.at("id").(string), "/providers/Microsoft.DataProtection/backupVaults/") {
		t.Errorf("id %v is not in canonical case", a.at("id"))
	}
	w.finish()
	if got := w.must(200, "GET", at, ""); got.at("name") != "I1" {
		t.Errorf("%s", got.raw)
	}
}

// The resource group of an instance's snapshots stays as long as the instance.
func TestSnapshotGroupInUse(t *testing.T) {
	t.Parallel()
	w := protect(t)
	snapshots := sub + "/resourceGroups/SnapshotRG"
	a := w.must(409, "DELETE", snapshots, "")
	if a.code(t) != "UserErrorSnapshotResourceGroupInUse" || !strings.Contains(string(a.raw), at) || !strings.Contains(string(a.raw), "Delete the backup instances") {
		t.Errorf("%s", a.raw)
	}
	w.must(204, "HEAD", snapshots, "")
	w.must(202, "DELETE", at, "")
	w.finish()
	w.must(202, "DELETE", snapshots, "")
	w.must(404, "HEAD", snapshots, "")
}
