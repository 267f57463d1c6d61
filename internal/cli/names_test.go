package cli

import (
	"fmt"
	"strings"
	"testing"
)

// Tables name roles and scopes; json keeps the ids.
func TestRoleAssignmentsByName(t *testing.T) {
	f := newFixture(t)
	definitions := "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions"
	id := definitions + "/ACDD72A7-3385-48ef-bd42-f606fba81ae7"
	f.answers["GET "+definitions] = `{"value":[{"name":"acdd72a7-3385-48ef-bd42-f606fba81ae7","properties":{"roleName":"Reader"}}]}`
	f.answers["GET /subscriptions/s/providers/Microsoft.Authorization/roleAssignments"] = fmt.Sprintf(
		`{"value":[{"name":"a","properties":{"principalId":"p","principalType":"ServicePrincipal","roleDefinitionId":%q,"scope":%q}},
		{"name":"b","properties":{"principalId":"q","roleDefinitionId":"/x/unknown","scope":"/subscriptions/s"}},
		{"name":"c","properties":{"principalId":"r","roleDefinitionId":"/x/root","scope":"/"}}]}`, id, clusterPath)
	out := f.must("role", "assignment", "list", "-o", "table")
	for _, want := range []string{"Reader", "managedClusters/prod", "ServicePrincipal", "subscriptions/s", "/x/unknown", "/x/root      /"} {
		if !strings.Contains(out, want) || strings.Contains(out, definitions) {
			t.Errorf("no %q, or an id, in\n%s", want, out)
		}
	}
	if out := f.must("role", "assignment", "list"); !strings.Contains(out, id) || !strings.Contains(out, clusterPath) {
		t.Errorf("no id in %s", out)
	}
}

// What was given to whom is said, and what was there already.
func TestPermissionsAreSaid(t *testing.T) {
	f := newFixture(t)
	f.answers["GET "+vaultPath], f.answers["GET "+clusterPath] = `{"identity":{"principalId":"1"}}`, `{"identity":{"principalId":"2"}}`
	request := fmt.Sprintf(`{"restoreTargetInfo":{"datasourceInfo":{"resourceID":%q}}}`, clusterPath)
	_, _, errs := f.run("backup-instance", "update-msi-permissions", "--operation", "Restore", "--yes", "--restore-request-object", request,
		"--snapshot-resource-group-id", "/subscriptions/s/resourceGroups/snap")
	for _, want := range []string{"backupVaults/v was given Reader over managedClusters/prod", "backupVaults/v was given Reader over resourceGroups/snap",
		"managedClusters/prod was given Contributor over resourceGroups/snap"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
}
