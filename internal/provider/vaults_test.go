package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

func TestVaultLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.do("owner", "GET", vaultAt, ""); a.StatusCode != 404 || a.code(t) != "ResourceNotFound" {
		t.Fatalf("before creation: %d %s", a.StatusCode, a.raw)
	}
	a := w.must(201, "PUT", vaultAt, vaultBody)
	async := a.Header.Get("Azure-AsyncOperation")
	if !strings.HasPrefix(async, w.URL+vaultAt+"/operationStatus/") || a.Header.Get("Location") != "" {
		t.Errorf("headers of creation: %v", a.Header)
	}
	if a.at("properties.provisioningState") != "Provisioning" || !strings.Contains(a.Header.Get("X-Ms-Arm-Resource-System-Data"), "createdAt") {
		t.Errorf("creation: %s, %v", a.raw, a.Header)
	}
	got, err := poll(w, a)
	if err != nil {
		t.Fatal(err)
	}
	principal, _ := got["identity"].(map[string]any)["principalId"].(string)
	if len(principal) != 36 || got["identity"].(map[string]any)["tenantId"] != tenant {
		t.Errorf("identity: %v", got["identity"])
	}
	want := map[string]any{}
	decode(t, `{"bcdrSecurityLevel":"Good","crossRegionBackupSettings":"NotApplicable","isVaultProtectedByResourceGuard":false,
		"provisioningState":"Succeeded","replicatedRegions":[],"secureScore":"Adequate",
		"securitySettings":{"softDeleteSettings":{"retentionDurationInDays":14,"state":"AlwaysOn"}},
		"storageSettings":[{"datastoreType":"VaultStore","type":"LocallyRedundant"}]}`, &want)
	if diff := cmp.Diff(want, got["properties"]); diff != "" {
		t.Errorf("vault (-want +got):\n%s", diff)
	}
	if got["location"] != "eastus" || got["type"] != "Microsoft.DataProtection/backupVaults" || got["name"] != "v1" {
		t.Errorf("envelope: %v", got)
	}

	patched := w.must(200, "PATCH", strings.ToUpper(vaultAt), `{"tags":{"a":"b"},"properties":{"monitoringSettings":{"azureMonitorAlertSettings":{"alertsForAllJobFailures":"enabled"}}}}`)
	if patched.at("tags.a") != "b" || patched.at("properties.monitoringSettings.azureMonitorAlertSettings.alertsForAllJobFailures") != "Enabled" ||
		patched.at("identity.principalId") != principal || patched.at("id") != vaultAt {
		t.Errorf("patched: %s", patched.raw)
	}
	again := w.must(200, "PUT", vaultAt, vaultBody)
	if again.at("identity.principalId") != principal {
		t.Error("a second PUT changed the identity")
	}
	w.must(200, "DELETE", vaultAt, "")
	w.must(204, "DELETE", vaultAt, "")
	w.must(404, "GET", vaultAt, "")
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// What holds for deletions is shown also where nothing was said of it.
func TestSoftDeleteIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		given, state string
		days         any
	}{
		{``, "On", 14.0},
		{`"softDeleteSettings":{"state":"AlwaysOn","retentionDurationInDays":14}`, "AlwaysOn", 14.0},
		{`"softDeleteSettings":{"state":"On","retentionDurationInDays":30}`, "On", 30.0},
		{`"softDeleteSettings":{"state":"Off"}`, "Off", nil},
	} {
		at := vaultAt + fmt.Sprint(len(c.given))
		w.must(201, "PUT", at, `{"location":"here","properties":{"storageSettings":[{"datastoreType":"VaultStore","type":"LocallyRedundant"}],"securitySettings":{`+c.given+`}}}`)
		a, settings := w.must(200, "GET", at, ""), "properties.securitySettings.softDeleteSettings."
		if state, days := a.at(settings+"state"), a.at(settings+"retentionDurationInDays"); state != c.state || days != c.days {
			t.Errorf("%q: shown %v for %v days, want %s for %v", c.given, state, days, c.state, c.days)
		}
	}
}

func TestVaultETag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	etag := w.must(201, "PUT", vaultAt, vaultBody).Header.Get("ETag")
	request := func(match string) int {
		req, err := http.NewRequestWithContext(t.Context(), "PATCH", w.URL+vaultAt+"?api-version=2025-07-01", strings.NewReader(`{"tags":{}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer owner")
		req.Header.Set("If-Match", match)
		resp, err := w.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if first, second := request(etag), request(etag); first != 200 || second != 412 {
		t.Errorf("with the ETag: %d, again: %d", first, second)
	}
}

func TestVaultLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := sub + "/resourceGroups/aksrg/providers/Microsoft.DataProtection/backupVaults/v2"
	w.must(201, "PUT", vaultAt, vaultBody)
	w.must(201, "PUT", other, vaultBody)
	for path, want := range map[string]int{
		sub + "/providers/Microsoft.DataProtection/BackupVaults":   2,
		group + "/providers/Microsoft.DataProtection/Backupvaults": 1,
	} {
		if got := w.must(200, "GET", path, "").at("value").([]any); len(got) != want {
			t.Errorf("%s: %d vaults, want %d", path, len(got), want)
		}
	}
}

// TestDeletedVaultTakesItsTrustAlong makes sure that a later vault of the same
// name does not inherit the trust of clusters.
func TestDeletedVaultTakesItsTrustAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	w.must(201, "PUT", clusterAt, clusterBody)
	w.must(201, "PUT", bindingAt, bindingBody)
	w.must(200, "DELETE", vaultAt, "")
	w.must(404, "GET", bindingAt, "")
}

func TestVaultWithContentStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	w.must(200, "PUT", policyAt, testdata(t, "policy.json"))
	if a := w.must(409, "DELETE", vaultAt, ""); a.code(t) != "UserErrorVaultHasProtectedItems" {
		t.Errorf("%s", a.raw)
	}
	w.must(200, "DELETE", policyAt, "")
	w.must(200, "DELETE", vaultAt, "")
}

func TestVaultWithUserIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u1"
	u := w.must(201, "PUT", id, `{"location":"eastus"}`)
	a := w.must(201, "PUT", vaultAt, strings.Replace(vaultBody, `{"type":"SystemAssigned"}`,
		`{"type":"systemassigned, userassigned","userAssignedIdentities":{"`+id+`":{}}}`, 1))
	identity := a.at("identity").(map[string]any)
	attached, _ := identity["userAssignedIdentities"].(map[string]any)[id].(map[string]any)
	if identity["type"] != "SystemAssigned,UserAssigned" || attached["principalId"] != u.at("properties.principalId") {
		t.Errorf("identity: %v", identity)
	}
	if again := w.must(200, "PUT", id, `{"location":"eastus","tags":{"a":"b"}}`); again.at("properties.principalId") != u.at("properties.principalId") {
		t.Error("a second PUT changed the principal")
	}
	w.must(200, "DELETE", id, "")
	w.must(204, "DELETE", id, "")
}

func TestCheckNameAvailability(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	path := group + "/providers/Microsoft.DataProtection/locations/eastus/checkNameAvailability"
	for name, reason := range map[string]any{"v1": "AlreadyExists", "V1": "AlreadyExists", "v2": nil, "2v": "Invalid"} {
		a := w.must(200, "POST", path, `{"name":"`+name+`","type":"Microsoft.DataProtection/BackupVaults"}`)
		if a.at("reason") != reason || a.at("nameAvailable") != (reason == nil) {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
}

func TestProviderOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do("owner", "GET", "/providers/Microsoft.DataProtection/operations", "")
	if a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.raw)
	}
}

// TestPolicyComesBackAsSent is what Terraform's second plan looks at.
func TestPolicyComesBackAsSent(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"policy.json", "policy-terraform.json", "policy-week.json", "policy-month.json", "policy-disaster-recovery.json", "policy-default-vaulted.json", "policy-everything.json",
		"policy-limits.json"} {
		w := newWorld(t)
		w.must(201, "PUT", vaultAt, vaultBody)
		var sent map[string]any
		decode(t, testdata(t, file), &sent)
		put := w.must(200, "PUT", policyAt, testdata(t, file))
		got := w.must(200, "GET", policyAt, "")
		if diff := cmp.Diff(sent["properties"], got.body["properties"]); diff != "" {
			t.Errorf("%s (-sent +got):\n%s", file, diff)
		}
		if put.Header.Get("Azure-AsyncOperation") != "" || got.at("type") != "Microsoft.DataProtection/backupVaults/backupPolicies" {
			t.Errorf("%s: %s", file, got.raw)
		}
		if list := w.must(200, "GET", vaultAt+"/backupPolicies", "").at("value").([]any); len(list) != 1 {
			t.Errorf("%d policies", len(list))
		}
		w.must(200, "DELETE", policyAt, "")
		w.must(204, "DELETE", policyAt, "")
	}
}

func TestPolicyInUse(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(200, "PUT", policyAt, testdata(t, "policy.json")) // unchanged
	if a := w.must(409, "PUT", policyAt, strings.ReplaceAll(testdata(t, "policy.json"), "P7D", "P8D")); a.code(t) != "UserErrorPolicyCannotBeModified" {
		t.Errorf("%s", a.raw)
	}
	if a := w.must(409, "DELETE", policyAt, ""); a.code(t) != "UserErrorPolicyHasProtectedItems" {
		t.Errorf("%s", a.raw)
	}
}

func TestPagesOfPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	w.update(func(tx catalog.Tx) error {
		for _, name := range []string{"aaa", "bbb", "ccc", "ddd", "eee"} {
			if err := inventory.Policies.Put(tx, &backup.Policy{Meta: backup.Meta{ID: vaultAt + "/backupPolicies/" + name}}); err != nil {
				return err
			}
		}
		return nil
	})
	var names []string
	for path := vaultAt + "/backupPolicies?$top=2"; path != ""; {
		a := w.must(200, "GET", path, "")
		for _, v := range a.at("value").([]any) {
			names = append(names, v.(map[string]any)["name"].(string))
		}
		next, _ := a.at("nextLink").(string)
		path = strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(next, "api-version=2025-07-01&", ""), w.URL), "&api-version=2025-07-01")
	}
	if strings.Join(names, " ") != "aaa bbb ccc ddd eee" {
		t.Errorf("pages held %q", names)
	}
}
