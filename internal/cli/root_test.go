package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/cli/console"
)

// fixture is a service that remembers what it was sent.
type fixture struct {
	t        *testing.T
	dir      string
	requests []string
	answers  map[string]string // "METHOD path" to a JSON body
	refusals map[string]string // the same, answered with a conflict
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), answers: map[string]string{}}
	srv := httptest.NewTLSServer(f)
	t.Cleanup(srv.Close)
	ca := filepath.Join(f.dir, "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := fmt.Sprintf(`{"url":%q,"tenant":"t","subscription":"s","clientId":"id","clientSecret":"x","caFile":%q}`, srv.URL, ca)
	if err := os.WriteFile(filepath.Join(f.dir, "admin.json"), []byte(admin), 0o600); err != nil {
		t.Fatal(err)
	}
	f.answers["GET /subscriptions"] = `{"value":[{"subscriptionId":"s"}]}`
	f.must("login", "--admin-file", filepath.Join(f.dir, "admin.json"))
	f.must("context", "set", "-g", "g", "--vault-name", "v")
	f.requests = nil
	return f
}

func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		fmt.Fprint(w, `{"access_token":"abc","expires_in":3600}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.requests = append(f.requests, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body))
	answer, ok := f.answers[r.Method+" "+r.URL.Path]
	if !ok && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/roleAssignments/") { // under a new GUID each time
		answer, ok = `{}`, true
	}
	if refusal, refused := f.refusals[r.Method+" "+r.URL.Path]; refused {
		w.WriteHeader(http.StatusConflict)
		answer, ok = refusal, true
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"code":"ResourceNotFound","message":"not there"}}`)
		return
	}
	fmt.Fprint(w, answer)
}

func (f *fixture) run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	c := &console.Console{In: strings.NewReader(""), Out: &o, Err: &e, ConfigPath: filepath.Join(f.dir, "config.yaml")}
	code = Run(context.Background(), c, "test", args)
	return code, o.String(), e.String()
}

func (f *fixture) must(args ...string) string {
	f.t.Helper()
	code, out, errs := f.run(args...)
	if code != 0 {
		f.t.Fatalf("%v: exit %d\n%s", args, code, errs)
	}
	return out
}

func (f *fixture) sent(method, path string) map[string]any {
	f.t.Helper()
	for _, r := range f.requests {
		if body, ok := strings.CutPrefix(r, method+" "+path+" "); ok {
			var m map[string]any
			if err := json.Unmarshal([]byte(body), &m); err != nil {
				f.t.Fatal(err)
			}
			return m
		}
	}
	f.t.Fatalf("no %s %s among %v", method, path, f.requests)
	return nil
}

const vaultPath = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"

func TestVaultCreateSendsWhatTheFlagsSay(t *testing.T) {
	for _, prefix := range [][]string{nil, {"dataprotection"}} {
		f := newFixture(t)
		f.answers["PUT "+vaultPath] = `{"name":"v","location":"local"}`
		f.must(append(prefix, "backup-vault", "create", "-l", "local", "--type", "SystemAssigned",
			"--storage-settings", "datastore-type=VaultStore", "type=GeoRedundant", "--soft-delete-state", "On", "--retention-duration-in-days", "14")...)
		got, err := json.Marshal(f.sent("PUT", vaultPath))
		if err != nil {
			t.Fatal(err)
		}
		want := `{"identity":{"type":"SystemAssigned"},"location":"local","properties":{"securitySettings":{"softDeleteSettings":{"retentionDurationInDays":14,"state":"On"}},"storageSettings":[{"datastoreType":"VaultStore","type":"GeoRedundant"}]}}`
		if string(got) != want {
			t.Errorf("sent %s", got)
		}
	}
}

func TestInitializeBuildsTheDocumentedInstance(t *testing.T) {
	f := newFixture(t)
	config := filepath.Join(f.dir, "config.json")
	out := f.must("backup-instance", "initialize-backupconfig", "--included-namespaces", "a", "b", "--label-selectors", "x=y")
	if err := os.WriteFile(config, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"
	out = f.must("backup-instance", "initialize", "--datasource-id", cluster, "--datasource-location", "local",
		"--policy-id", vaultPath+"/backupPolicies/p", "--backup-configuration", config, "--friendly-name", "app", "--snapshot-resource-group-name", "snap",
		"--query", "properties.[dataSourceInfo.resourceName, policyInfo.policyParameters.dataStoreParametersList[0].resourceGroupId, policyInfo.policyParameters.backupDatasourceParametersList[0].[includedNamespaces, labelSelectors, snapshotVolumes, includeClusterScopeResources]]")
	want := `["c","/subscriptions/s/resourceGroups/snap",[["a","b"],["x=y"],true,true]]`
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(out)); err != nil {
		t.Fatal(err)
	}
	if compact.String() != want {
		t.Errorf("got %s", compact.String())
	}
}

func TestErrorsAndExitCodes(t *testing.T) {
	f := newFixture(t)
	for name, tc := range map[string]struct {
		args []string
		code int
		text string
	}{
		"not found":      {[]string{"backup-vault", "show"}, console.ExitNotFound, "ResourceNotFound"},
		"unknown flag":   {[]string{"backup-vault", "show", "--no-such"}, console.ExitUsage, "--help"},
		"no such verb":   {[]string{"backup-vault", "delete"}, console.ExitUsage, "--yes"},
		"bad query":      {[]string{"context", "list", "--query", "[["}, console.ExitUsage, "--query"},
		"unknown name":   {[]string{"backup", "nothing"}, console.ExitNotFound, "not there"},
		"unknown output": {[]string{"context", "list", "-o", "xml"}, console.ExitUsage, "table, json"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := f.run(tc.args...)
			if code != tc.code || !strings.Contains(errs, tc.text) {
				t.Errorf("exit %d: %s", code, errs)
			}
		})
	}
}

func TestStatusJoinsInstancesWithTheirNewestJob(t *testing.T) {
	f := newFixture(t)
	id := vaultPath + "/backupInstances/i"
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[{"id":"` + id + `","name":"i","properties":{"friendlyName":"shop","currentProtectionState":"ProtectionConfigured","dataSourceInfo":{"resourceName":"c"}}}]}`
	f.answers["GET "+vaultPath+"/backupJobs"] = `{"value":[
		{"properties":{"backupInstanceId":"` + strings.ToUpper(id) + `","operation":"Backup","status":"Failed","startTime":"2026-01-01T00:00:00Z"}},
		{"properties":{"backupInstanceId":"` + id + `","operation":"Restore","status":"Completed","startTime":"2026-01-02T00:00:00Z"}}]}`
	f.answers["GET "+id+"/recoveryPoints"] = `{"value":[` + twoStores + `,` + oneStore + `]}`
	out := f.must("status", "-o", "table")
	for _, want := range []string{"shop", "ProtectionConfigured", "Restore", "Completed", "2 operational, 1 vault"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "Failed") {
		t.Errorf("an older job is shown:\n%s", out)
	}
}

// FAQ: "In the event of a regional outage, you can restore the backup from the
// secondary region using either the Azure portal or the Azure CLI." The newest
// recovery point there is asked for at the location of that region.
func TestFAQRestoreFromTheSecondaryRegionByCommand(t *testing.T) {
	f := newFixture(t)
	id, second := vaultPath+"/backupInstances/i", "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/second"
	west := "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/locations/west"
	instance := `{"id":"` + id + `","name":"i","properties":{"friendlyName":"shop","dataSourceInfo":{"resourceID":"/gone","resourceLocation":"east"}}}`
	f.answers["GET "+vaultPath] = `{"location":"east","properties":{"replicatedRegions":["west"]}}`
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[` + instance + `]}`
	f.answers["GET "+id] = instance
	f.answers["GET "+second] = `{"location":"west"}`
	f.answers["GET "+west+"/fetchSecondaryRecoveryPoints"] = `{"value":[` + twoStores + `]}`
	f.answers["POST "+west+"/crossRegionRestore"] = `{"jobId":"/j"}`
	f.must("restore", "shop", "--from", "secondary", "--cluster", "second", "--no-wait")
	sent := f.sent("POST", west+"/crossRegionRestore")
	request := sent["restoreRequestObject"].(map[string]any)
	if got := fmt.Sprint(sent["crossRegionRestoreDetails"]); got != "map[sourceBackupInstanceId:"+id+" sourceRegion:east]" || request["recoveryPointId"] != "old" || request["sourceDataStoreType"] != "VaultStore" {
		t.Errorf("sent %v", sent)
	}
	f.answers["GET "+vaultPath] = `{"location":"east","properties":{"replicatedRegions":[]}}`
	if code, _, errs := f.run("restore", "shop", "--from", "secondary", "--cluster", "second"); code != console.ExitUsage || !strings.Contains(errs, "GeoRedundant") {
		t.Errorf("a vault that is not replicated: exit %d %s", code, errs)
	}
}

// FAQ: the RPO of the second region, and that something takes longer than the 12
// hours promised, is what people see first.
func TestFAQStatusTellsTheRPOAndWhatIsLate(t *testing.T) {
	f := newFixture(t)
	id := vaultPath + "/backupInstances/i"
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[{"id":"` + id + `","name":"i","properties":{"friendlyName":"shop","dataSourceInfo":{"resourceName":"c"},
		"holdfastReplication":{"region":"west","rpoInSeconds":97200,"pending":2,"late":true}}}]}`
	f.answers["GET "+vaultPath+"/backupJobs"], f.answers["GET "+id+"/recoveryPoints"] = `{"value":[]}`, `{"value":[]}`
	if out := f.must("status", "-o", "table"); !strings.Contains(out, "27h0m0s old, 2 on the way, late") {
		t.Errorf("%s", out)
	}
}

// Recovery points that have expired and cannot be deleted are told of.
func TestStatusTellsWhatCannotBeDeleted(t *testing.T) {
	f := newFixture(t)
	id := vaultPath + "/backupInstances/i"
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[{"id":"` + id + `","name":"i","properties":{"friendlyName":"shop","currentProtectionState":"ProtectionConfigured",
		"dataSourceInfo":{"resourceName":"c"},"holdfastExpiry":{"failed":3,"error":{"code":"BackupPluginDeleteBackupOperationFailed"}}}}]}`
	f.answers["GET "+vaultPath+"/backupJobs"] = `{"value":[]}`
	f.answers["GET "+id+"/recoveryPoints"] = `{"value":[` + oneStore + `,{"name":"old","properties":{"recoveryPointTime":"2026-01-01T00:00:00Z",
		"recoveryPointDataStoresDetails":[{"type":"OperationalStore","holdfastDeletion":{"reason":"expired","attempt":2,"error":{"code":"BackupPluginDeleteBackupOperationFailed"}}}]}}]}`
	if out := f.must("status", "-o", "table"); !strings.Contains(out, "2 operational, 0 vault; 3 expired, not deleted: BackupPluginDeleteBackupOperationFailed") {
		t.Errorf("%s", out)
	}
	lines := strings.Split(f.must("recovery-point", "list", "--backup-instance-name", "i", "-o", "table"), "\n")
	for i, line := range lines {
		if strings.Contains(line, "BackupPluginDelete") != strings.HasPrefix(line, "old") {
			t.Errorf("line %d: %s", i, line)
		}
	}
}

// Recovery points as the service shows them: an older one that is in the vault,
// and a newer one that is not.
const (
	twoStores = `{"name":"old","properties":{"recoveryPointTime":"2026-01-01T00:00:00Z","recoveryPointDataStoresDetails":[{"type":"OperationalStore"},{"type":"VaultStore"}]}}`
	oneStore  = `{"name":"new","properties":{"recoveryPointTime":"2026-01-02T00:00:00Z","recoveryPointDataStoresDetails":[{"type":"OperationalStore"}]}}`
)

func TestRestoreFromTheVaultIntoAnotherCluster(t *testing.T) {
	f := newFixture(t)
	id := vaultPath + "/backupInstances/i"
	instance := `{"id":"` + id + `","name":"i","properties":{"friendlyName":"shop","dataSourceInfo":{"resourceID":"/gone","resourceLocation":"local"}}}`
	second := "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/second"
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[` + instance + `]}`
	f.answers["GET "+id] = instance
	f.answers["GET "+second] = `{"location":"there"}`
	f.answers["GET "+id+"/recoveryPoints"] = `{"value":[` + oneStore + `,` + twoStores + `]}`
	f.answers["POST "+id+"/restore"] = `{"jobId":"/j"}`
	f.must("restore", "shop", "--from", "vault", "--cluster", "second", "--no-wait")
	sent := f.sent("POST", id+"/restore")
	target := sent["restoreTargetInfo"].(map[string]any)
	if sent["recoveryPointId"] != "old" || sent["sourceDataStoreType"] != "VaultStore" || target["restoreLocation"] != "there" ||
		target["datasourceInfo"].(map[string]any)["resourceID"] != second ||
		target["restoreCriteria"].([]any)[0].(map[string]any)["objectType"] != "KubernetesClusterVaultTierRestoreCriteria" {
		t.Errorf("sent %v", sent)
	}
	if code, _, errs := f.run("restore", "shop", "--from", "cellar"); code != console.ExitUsage || !strings.Contains(errs, "operational, vault or secondary") {
		t.Errorf("exit %d: %s", code, errs)
	}
	f.answers["GET "+id+"/recoveryPoints"] = `{"value":[` + oneStore + `]}`
	if code, _, errs := f.run("restore", "shop", "--from", "vault"); code != console.ExitUsage || !strings.Contains(errs, "no recovery point in the VaultStore") {
		t.Errorf("exit %d: %s", code, errs)
	}
	f.answers["GET "+id+"/recoveryPoints"] = `{"value":[` + twoStores + `]}`
	if out := f.must("recovery-point", "list", "--backup-instance-name", "i", "-o", "table"); !strings.Contains(out, "OperationalStore, VaultStore") {
		t.Errorf("printed\n%s", out)
	}
}

// The request of the long form, as az composes it.
func TestLongRestoreRequestForTheVault(t *testing.T) {
	f := newFixture(t)
	config := filepath.Join(f.dir, "rc.json")
	group := "/subscriptions/s/resourceGroups/staging"
	out := f.must("backup-instance", "initialize-restoreconfig", "--staging-resource-group-id", group, "--staging-storage-account-id", group+"/x")
	if err := os.WriteFile(config, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	out = f.must("backup-instance", "restore", "initialize-for-data-recovery", "--source-datastore", "VaultStore", "--recovery-point-id", "p",
		"--restore-location", "local", "--target-resource-id", "/c", "--restore-configuration", config,
		"--query", "[sourceDataStoreType, restoreTargetInfo.restoreCriteria[0].[objectType, stagingResourceGroupId, stagingStorageAccountId]]")
	want := `["VaultStore",["KubernetesClusterVaultTierRestoreCriteria","` + group + `","` + group + `/x"]]`
	if got := strings.Join(strings.Fields(out), ""); got != want {
		t.Errorf("got %s", got)
	}
}

// The same places from the everyday verb, and to be kept.
func TestRestoreThroughStaging(t *testing.T) {
	f := newFixture(t)
	id, group := vaultPath+"/backupInstances/i", "/subscriptions/s/resourceGroups/staging"
	instance := `{"id":"` + id + `","name":"i","properties":{"friendlyName":"shop","dataSourceInfo":{"resourceID":"/c","resourceLocation":"local"}}}`
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[` + instance + `]}`
	f.answers["GET "+id] = instance
	f.answers["GET "+id+"/recoveryPoints"] = `{"value":[` + twoStores + `]}`
	f.answers["POST "+id+"/restore"] = `{"jobId":"/j"}`
	f.must("restore", "shop", "--from", "vault", "--staging-resource-group-id", group, "--staging-storage-account-id", group+"/x", "--keep-staging", "--no-wait")
	criteria := f.sent("POST", id+"/restore")["restoreTargetInfo"].(map[string]any)["restoreCriteria"].([]any)[0].(map[string]any)
	if criteria["stagingResourceGroupId"] != group || criteria["stagingStorageAccountId"] != group+"/x" || criteria["holdfastKeepStaging"] != true {
		t.Errorf("sent %v", criteria)
	}
	if out := f.must("backup-instance", "initialize-restoreconfig", "--keep-staging"); !strings.Contains(out, `"holdfast_keep_staging": true`) {
		t.Errorf("printed %s", out)
	}
}

// A restore through a staging account needs roles for vault and extension there.
func TestPermissionsOfStaging(t *testing.T) {
	f := newFixture(t)
	cluster, group := "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c", "/subscriptions/s/resourceGroups/stg"
	identity := `{"identity":{"principalId":"vault"}}`
	f.answers["GET "+vaultPath], f.answers["GET "+cluster] = identity, identity
	extensions := "GET " + cluster + "/providers/Microsoft.KubernetesConfiguration/extensions"
	f.answers[extensions] = `{"value":[{"properties":{"aksAssignedIdentity":{"principalId":"ext"}}}]}`
	request := func(staging string) string {
		return fmt.Sprintf(`{"restoreTargetInfo":{"datasourceInfo":{"resourceID":%q},"restoreCriteria":[{%s}]}}`, cluster, staging)
	}
	given := func(staging string) (out []string) {
		f.requests = nil
		f.must("backup-instance", "update-msi-permissions", "--operation", "Restore", "--yes", "--restore-request-object", request(staging))
		for _, r := range f.requests {
			if scope, rest, ok := strings.Cut(r, "/providers/Microsoft.Authorization/roleAssignments/"); ok {
				var body struct {
					Properties struct{ RoleDefinitionID, PrincipalID string }
				}
				if err := json.Unmarshal([]byte(rest[strings.IndexByte(rest, ' '):]), &body); err != nil {
					t.Fatal(err)
				}
				role := body.Properties.RoleDefinitionID
				out = append(out, body.Properties.PrincipalID+" "+scope[strings.LastIndexByte(scope, '/')+1:]+" "+role[strings.LastIndexByte(role, '/')+1:][:8])
			}
		}
		return out
	}
	plain := "[vault c acdd72a7]"
	if got := fmt.Sprint(given("")); got != plain {
		t.Errorf("without staging: %s", got)
	}
	staging := fmt.Sprintf(`"stagingResourceGroupId":%q,"stagingStorageAccountId":"%s/acct"`, group, group)
	if got := fmt.Sprint(given(staging)); got != "[vault c acdd72a7 vault stg b24988ac vault acct 17d1049b vault acct b7e6dc6d ext acct ba92f5b4]" {
		t.Errorf("with staging: %s", got)
	}
	f.answers[extensions] = `{"value":[]}`
	code, _, errs := f.run("backup-instance", "update-msi-permissions", "--operation", "Restore", "--yes", "--restore-request-object", request(staging))
	if code != console.ExitUsage || !strings.Contains(errs, "k8s-extension create") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// A policy with vault storage needs two more roles for the vault.
func TestPermissionsOfTheVaultTier(t *testing.T) {
	f := newFixture(t)
	cluster, group, policy := "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c", "/subscriptions/s/resourceGroups/snap", vaultPath+"/backupPolicies/p"
	instance := fmt.Sprintf(`{"properties":{"dataSourceInfo":{"resourceID":%q},"policyInfo":{"policyId":%q,"policyParameters":{"dataStoreParametersList":[{"resourceGroupId":%q}]}}}}`, cluster, policy, group)
	identity := `{"identity":{"principalId":"id"}}`
	f.answers["GET "+vaultPath], f.answers["GET "+cluster] = identity, identity
	f.answers["GET "+cluster+"/providers/Microsoft.KubernetesConfiguration/extensions"] = `{"value":[{"properties":{"configurationSettings":{
		"configuration.backupStorageLocation.config.storageAccount":"acct","storageAccountResourceGroup":"g","storageAccountSubscriptionId":"s"}}}]}`
	given := func(lifecycle string) (scopes []string) {
		f.requests = nil
		f.answers["GET "+policy] = `{"properties":{"policyRules":[{"lifecycles":[` + lifecycle + `]}]}}`
		f.must("backup-instance", "update-msi-permissions", "--operation", "Backup", "--yes", "--backup-instance", instance)
		for _, r := range f.requests {
			if scope, rest, ok := strings.Cut(r, "/providers/Microsoft.Authorization/roleAssignments/"); ok {
				var body struct {
					Properties struct{ RoleDefinitionID string }
				}
				if err := json.Unmarshal([]byte(rest[strings.IndexByte(rest, ' '):]), &body); err != nil {
					t.Fatal(err)
				}
				role := body.Properties.RoleDefinitionID
				scopes = append(scopes, scope[strings.LastIndexByte(scope, '/')+1:]+" "+role[strings.LastIndexByte(role, '/')+1:][:8])
			}
		}
		return scopes
	}
	plain := "[c acdd72a7 snap acdd72a7 snap b24988ac]"
	if got := fmt.Sprint(given(`{"sourceDataStore":{"dataStoreType":"OperationalStore"}}`)); got != plain {
		t.Errorf("operational tier: %s", got)
	}
	if got := fmt.Sprint(given(`{"sourceDataStore":{"dataStoreType":"VaultStore"}}`)); got != plain[:len(plain)-1]+" snap 7efff54f acct 2a2b9908]" {
		t.Errorf("vault tier: %s", got)
	}
}

// A backup whose copy into the vault is missing is no success for a script.
func TestBackupWithoutItsVaultCopyFails(t *testing.T) {
	f := newFixture(t)
	id, job := vaultPath+"/backupInstances/i", vaultPath+"/backupJobs/j"
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[{"name":"i","properties":{"friendlyName":"shop"}}]}`
	f.answers["POST "+id+"/backup"] = `{"jobId":"` + job + `"}`
	done := func(status, task, warnings string) string {
		return `{"name":"j","properties":{"operation":"Backup","status":"` + status + `","extendedInfo":{"subTasks":[{"taskName":"Trigger Backup","taskStatus":"Completed"},{"taskName":"Vaulting","taskStatus":"` + task + `"}],"warningDetails":[` + warnings + `]}}}`
	}
	f.answers["GET "+job] = done("Completed", "Completed", "")
	f.must("backup", "shop", "--rule", "r", "--retention-tag", "Vault")
	if got := fmt.Sprint(f.sent("POST", id+"/backup")["backupRuleOptions"]); got != "map[ruleName:r triggerOption:map[retentionTagOverride:Vault]]" {
		t.Errorf("sent %s", got)
	}
	f.answers["GET "+job] = done("CompletedWithWarnings", "Failed", `{"resourceName":"VaultStore","warning":{"code":"UserErrorVaultCopyMissing","message":"it is away","recommendedAction":["Heal it."]}}`)
	code, _, errs := f.run("backup", "shop", "--rule", "r")
	for _, want := range []string{"UserErrorVaultCopyMissing", "it is away", "Heal it.", "Vaulting"} {
		if code != console.ExitFailed || !strings.Contains(errs, want) {
			t.Errorf("exit %d, no %q in: %s", code, want, errs)
		}
	}
}

func TestRestoreMapsNamespacesAndTakesTheNewestPoint(t *testing.T) {
	f := newFixture(t)
	id := vaultPath + "/backupInstances/i"
	instance := `{"id":"` + id + `","name":"i","properties":{"friendlyName":"c\\shop","dataSourceInfo":{"resourceID":"/c","resourceLocation":"local"}}}`
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[` + instance + `]}`
	f.answers["GET "+id] = instance
	f.answers["GET "+id+"/recoveryPoints"] = `{"value":[` + twoStores + `,` + oneStore + `]}`
	f.answers["POST "+id+"/restore"] = `{"jobId":"/j"}`
	f.must("restore", "shop", "--to", "a=b", "c=d", "--no-wait")
	sent := f.sent("POST", id+"/restore")
	if sent["recoveryPointId"] != "new" {
		t.Errorf("point %v", sent["recoveryPointId"])
	}
	target := sent["restoreTargetInfo"].(map[string]any)
	criteria := target["restoreCriteria"].([]any)[0].(map[string]any)
	if fmt.Sprint(criteria["namespaceMappings"]) != "map[a:b c:d]" || criteria["objectType"] != "KubernetesClusterRestoreCriteria" || target["restoreLocation"] != "local" {
		t.Errorf("sent %v", sent)
	}
}

func TestJobCancelAsksAndShowsTheEnd(t *testing.T) {
	f := newFixture(t)
	job := vaultPath + "/backupJobs/j1"
	f.answers["POST "+job+"/cancel"] = `{"name":"j1","properties":{"status":"Cancelled"}}`
	for _, flag := range []string{"-n", "--job-id"} {
		if out := f.must("job", "cancel", flag, "j1", "-o", "table"); !strings.Contains(out, "Cancelled") {
			t.Errorf("printed %s", out)
		}
	}
	if code, _, errs := f.run("job", "cancel", "-n", "/no/such"); code == 0 || !strings.Contains(errs, "ResourceNotFound") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// TestJobShowTellsWhatToDo: people see what programs read in the document.
func TestJobShowTellsWhatToDo(t *testing.T) {
	f := newFixture(t)
	warning := `{"resourceName":"%s","warning":{"code":"Left","message":"left out","recommendedAction":["Look at it."]}}`
	f.answers["GET "+vaultPath+"/backupJobs/j"] = `{"name":"j","properties":{"operation":"Backup","status":"CompletedWithWarnings","extendedInfo":{
		"subTasks":[{"taskName":"Trigger Backup","taskStatus":"Completed"}],"additionalDetails":{"tag":"first of the day"},
		"warningDetails":[` + fmt.Sprintf(warning, "a") + "," + fmt.Sprintf(warning, "b") + `]}}}`
	out := f.must("job", "show", "-n", "j", "-o", "table")
	for _, want := range []string{"Trigger Backup: Completed", "tag: first of the day", "warning: a: left out (Left)", "warning: b:"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Count(out, "what to do: Look at it.") != 1 {
		t.Error(out)
	}
	if out := f.must("job", "show", "-n", "j"); !strings.HasPrefix(out, "{") || !strings.HasSuffix(out, "}\n") {
		t.Errorf("a program cannot read\n%s", out)
	}
}

// TestStatusInTheSecondRegion: there the vault has no recovery points of its own, only
// what its replica tells, and the jobs of that region.
func TestStatusInTheSecondRegion(t *testing.T) {
	f := newFixture(t)
	west := "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/locations/west"
	f.answers["GET "+vaultPath] = `{"location":"east","properties":{"replicatedRegions":["west"]}}`
	f.answers["GET "+vaultPath+"/backupInstances"] = `{"value":[{"id":"/i","name":"i","properties":{"friendlyName":"shop"}}]}`
	f.answers["GET "+vaultPath+"/backupJobs"] = `{"value":[{"properties":{"backupInstanceId":"/i","operation":"CrossRegionRestore","status":"Completed","startTime":"2026-01-02T00:00:00Z"}}]}`
	f.answers["GET "+west+"/fetchSecondaryRecoveryPoints"] = `{"value":[` + oneStore + `]}`
	if out := f.must("status", "-o", "table"); !strings.Contains(out, "shop") || !strings.Contains(out, "CrossRegionRestore") || !strings.Contains(out, "1 operational") {
		t.Error(out)
	}
}

// TestPolicyListTellsAllRetention: two policies that keep differently look different.
func TestPolicyListTellsAllRetention(t *testing.T) {
	f := newFixture(t)
	life := func(store, days string) string {
		return `{"sourceDataStore":{"dataStoreType":"` + store + `"},"deleteAfter":{"duration":"` + days + `"}}`
	}
	f.answers["GET "+vaultPath+"/backupPolicies"] = `{"value":[{"name":"p","properties":{"policyRules":[{"objectType":"AzureBackupRule","name":"BackupHourly"},
		{"objectType":"AzureRetentionRule","name":"Default","isDefault":true,"lifecycles":[` + life("OperationalStore", "P7D") + `]},
		{"objectType":"AzureRetentionRule","name":"Vault","lifecycles":[` + life("OperationalStore", "P7D") + `,` + life("VaultStore", "P90D") + `]}]}}]}`
	if out := f.must("backup-policy", "list", "-o", "table"); !strings.Contains(out, "Default OperationalStore P7D, Vault OperationalStore P7D + VaultStore P90D") {
		t.Error(out)
	}
}
