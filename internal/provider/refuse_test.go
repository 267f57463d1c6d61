package provider_test

import (
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// edit is an old and a new piece of a body.
type edit [2]string

func (e edit) apply(t *testing.T, body string) string {
	t.Helper()
	if !strings.Contains(body, e[0]) {
		t.Fatalf("the body has no %s", e[0])
	}
	return strings.Replace(body, e[0], e[1], 1)
}

// TestRefusedAndUnchanged: everything that is malformed, lacks something, names
// something absent or breaks a rule gets its code and changes nothing.
func TestRefusedAndUnchanged(t *testing.T) {
	t.Parallel()
	const (
		invalid = "BMSUserErrorInvalidInput"
		absent  = "UserErrorGenericResourceNotFound"
	)
	policyBody, instance := testdata(t, "policy.json"), testdata(t, "instance.json")
	validate := testdata(t, "restore.json")
	restore := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(validate), `{"restoreRequestObject":`), "}")
	newVault, newInstance := group+"/providers/Microsoft.DataProtection/backupVaults/v2", vaultAt+"/backupInstances/i2"
	w := protect(t)
	for name, c := range map[string]struct {
		method, path, body string
		edit               edit
		status             int
		code               string
	}{
		"vault without storage":       {"PUT", newVault, vaultBody, edit{`"storageSettings":`, `"other":`}, 400, invalid},
		"vault without properties":    {"PUT", newVault, vaultBody, edit{`"properties":`, `"other":`}, 400, invalid},
		"vault without location":      {"PUT", newVault, vaultBody, edit{`"location":"East US",`, ``}, 400, invalid},
		"vault of unknown redundancy": {"PUT", newVault, vaultBody, edit{`LocallyRedundant`, `Twice`}, 400, invalid},
		"vault of unknown store":      {"PUT", newVault, vaultBody, edit{`VaultStore`, `Cellar`}, 400, invalid},
		"vault of unknown identity":   {"PUT", newVault, vaultBody, edit{`"SystemAssigned"`, `"Mine"`}, 400, invalid},
		"vault kept a week":           {"PUT", newVault, vaultBody, edit{`14.0`, `7`}, 400, invalid},
		"vault of wrong type":         {"PUT", newVault, vaultBody, edit{`14.0`, `"long"`}, 400, "InvalidRequestContent"},
		"vault that is no JSON":       {"PUT", newVault, vaultBody, edit{`}`, ``}, 400, "InvalidRequestContent"},
		"vault without a body":        {"PUT", newVault, "", edit{}, 400, "InvalidRequestContent"},
		"vault with customer's key":   {"PUT", newVault, vaultBody, edit{`"securitySettings":{`, `"securitySettings":{"encryptionSettings":{"state":"Enabled"},`}, 400, "UserErrorFeatureNotSupported"},
		"vault with a bad name":       {"PUT", newVault + "-", vaultBody, edit{}, 400, invalid},
		"vault moved":                 {"PUT", vaultAt, vaultBody, edit{`East US`, `westus`}, 409, "InvalidResourceLocation"},
		"vault's soft delete off":     {"PUT", vaultAt, vaultBody, edit{`AlwaysOn`, `Off`}, 400, "BMSUserErrorDisablingSoftDeleteStateNotAllowed"},
		"vault's redundancy in use":   {"PUT", vaultAt, vaultBody, edit{`LocallyRedundant`, `GeoRedundant`}, 400, invalid},
		"vault in no group":           {"PUT", sub + "/resourceGroups/none/providers/Microsoft.DataProtection/backupVaults/v", vaultBody, edit{}, 404, "ResourceGroupNotFound"},
		"patch of no vault":           {"PATCH", newVault, `{"tags":{}}`, edit{}, 404, "ResourceNotFound"},
		"name check without a name":   {"POST", group + "/providers/Microsoft.DataProtection/locations/eastus/checkNameAvailability", `{"type":"x"}`, edit{}, 400, invalid},

		"policy without a vault":       {"PUT", newVault + "/backupPolicies/ppp", policyBody, edit{}, 404, "ParentResourceNotFound"},
		"policy without object type":   {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`"objectType":"BackupPolicy",`, ``}, 400, invalid},
		"policy of unknown rule":       {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`"AzureBackupRule"`, `"MyRule"`}, 400, invalid},
		"policy without a trigger":     {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`"trigger":`, `"other":`}, 400, invalid},
		"policy without a schedule":    {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`"schedule":`, `"other":`}, 400, invalid},
		"policy with another trigger":  {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`ScheduleBasedTriggerContext`, `AdhocBasedTriggerContext`}, 400, invalid},
		"policy every hour":            {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`PT4H`, `PT1H`}, 400, invalid},
		"policy of another datasource": {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`Microsoft.ContainerService/managedClusters`, `Microsoft.Compute/disks`}, 400, invalid},
		"policy without default rule":  {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`"name":"Default","objectType":"AzureRetentionRule","isDefault":true`, `"name":"Other","objectType":"AzureRetentionRule","isDefault":false`}, 400, invalid},
		"policy kept two years":        {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`P7D`, `P2Y`}, 400, invalid},
		"policy of unknown delete":     {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`AbsoluteDeleteOption`, `Never`}, 400, invalid},
		"policy of equal priorities":   {"PUT", vaultAt + "/backupPolicies/ppp", policyBody, edit{`"taggingPriority":25`, `"taggingPriority":99`}, 400, invalid},
		"policy with a bad name":       {"PUT", vaultAt + "/backupPolicies/p_p", policyBody, edit{}, 400, invalid},
		"policies of no vault":         {"GET", newVault + "/backupPolicies", "", edit{}, 404, "ResourceNotFound"},

		"instance without a vault":        {"PUT", newVault + "/backupInstances/i", instance, edit{}, 404, "ParentResourceNotFound"},
		"instance without properties":     {"PUT", newInstance, `{"tags":{}}`, edit{}, 400, invalid},
		"instance without a cluster":      {"PUT", newInstance, instance, edit{`"dataSourceInfo":`, `"other":`}, 400, invalid},
		"instance without a policy":       {"PUT", newInstance, instance, edit{`"policyInfo":`, `"other":`}, 400, invalid},
		"instance of unknown type":        {"PUT", newInstance, instance, edit{`"objectType":"BackupInstance"`, `"objectType":"Instance"`}, 400, invalid},
		"instance of no cluster":          {"PUT", newInstance, strings.ReplaceAll(instance, "aks1", "aks9"), edit{}, 400, absent},
		"instance of absent policy":       {"PUT", newInstance, instance, edit{`akspolicy`, `other`}, 400, absent},
		"instance, policy of other vault": {"PUT", newInstance, instance, edit{`backupVaults/v1/`, `backupVaults/v2/`}, 400, invalid},
		"instance without snapshot group": {"PUT", newInstance, instance, edit{`"resourceGroupId"`, `"other"`}, 400, invalid},
		"instance, absent snapshot group": {"PUT", newInstance, instance, edit{`snapshotrg`, `nonerg`}, 400, "UserErrorSnapshotResourceGroupNotFound"},
		"instance without volumes flag":   {"PUT", newInstance, instance, edit{`"snapshotVolumes":true`, `"other":1`}, 400, invalid},
		"instance without scope flag":     {"PUT", newInstance, instance, edit{`"includeClusterScopeResources":true`, `"other":1`}, 400, invalid},
		"instance without parameters":     {"PUT", newInstance, instance, edit{`"policyParameters":`, `"other":`}, 400, invalid},
		"instance without selection":      {"PUT", newInstance, instance, edit{`"backupDatasourceParametersList":`, `"other":`}, 400, invalid},
		"instance, nameless hook":         {"PUT", newInstance, instance, edit{`"name":"bkphookname0",`, ``}, 400, invalid},
		"instance, same policy again":     {"PUT", newInstance, instance, edit{}, 409, "UserErrorDatasourceAlreadyProtectedWithPolicy"},
		"instance, snapshot group moved":  {"PUT", at, instance, edit{`resourceGroups/snapshotrg`, `resourceGroups/rg`}, 400, "UserErrorSnapshotResourceGroupCannotBeChanged"},
		"instance moved":                  {"PUT", at, strings.ReplaceAll(instance, "aks1", "aks2"), edit{}, 400, invalid},
		"validate without instance":       {"POST", vaultAt + "/validateForBackup", `{"other":1}`, edit{}, 400, invalid},
		"validate in no vault":            {"POST", newVault + "/validateForBackup", strings.Replace(instance, `"properties"`, `"backupInstance"`, 1), edit{}, 404, "ResourceNotFound"},
		"validate, absent policy":         {"POST", vaultAt + "/validateForBackup", strings.Replace(instance, `"properties"`, `"backupInstance"`, 1), edit{`akspolicy`, `other`}, 400, absent},

		"backup without options":     {"POST", at + "/backup", `{"other":1}`, edit{}, 400, invalid},
		"backup without a body":      {"POST", at + "/backup", "", edit{}, 400, "InvalidRequestContent"},
		"backup by unknown rule":     {"POST", at + "/backup", backupBody, edit{`BackupHourly`, `Nightly`}, 400, invalid},
		"backup by retention rule":   {"POST", at + "/backup", backupBody, edit{`BackupHourly`, `Daily`}, 400, invalid},
		"backup with unknown tag":    {"POST", at + "/backup", backupBody, edit{`"Default"`, `"Yearly"`}, 400, invalid},
		"backup without trigger":     {"POST", at + "/backup", backupBody, edit{`"triggerOption"`, `"other"`}, 400, invalid},
		"backup of no instance":      {"POST", newInstance + "/backup", backupBody, edit{}, 404, "ResourceNotFound"},
		"stop of no instance":        {"POST", newInstance + "/stopProtection", "", edit{}, 404, "ResourceNotFound"},
		"recovery points of nothing": {"GET", newInstance + "/recoveryPoints", "", edit{}, 404, "ResourceNotFound"},

		"restore of unknown type":       {"POST", at + "/restore", restore, edit{`AzureBackupRecoveryPointBasedRestoreRequest`, `AzureBackupRecoveryTimeBasedRestoreRequest`}, 400, invalid},
		"restore without a point":       {"POST", at + "/restore", restore, edit{`"recoveryPointId"`, `"other"`}, 400, invalid},
		"restore of absent point":       {"POST", at + "/restore", restore, edit{pointName, strings.Repeat("0", 32)}, 400, absent},
		"restore of a path":             {"POST", at + "/restore", restore, edit{pointName, "../i2"}, 400, invalid},
		"restore of what is no vault's": {"POST", at + "/restore", restore, edit{`"OperationalStore"`, `"VaultStore"`}, 400, invalid},
		"staging without a vault":       {"POST", at + "/restore", restore, edit{`"includeClusterScopeResources"`, `"stagingResourceGroupId":"/subscriptions/S/resourceGroups/x","includeClusterScopeResources"`}, 400, invalid},
		"restore from nowhere":          {"POST", at + "/restore", restore, edit{`"OperationalStore"`, `"Cellar"`}, 400, invalid},
		"restore without a target":      {"POST", at + "/restore", restore, edit{`"restoreTargetInfo"`, `"other"`}, 400, invalid},
		"restore to no cluster":         {"POST", at + "/restore", strings.ReplaceAll(restore, "aks2", "aks9"), edit{}, 400, absent},
		"restore to another region":     {"POST", at + "/restore", restore, edit{`"restoreLocation":"eastus"`, `"restoreLocation":"westus"`}, 400, invalid},
		"restore of all files":          {"POST", at + "/restore", restore, edit{`ItemLevelRestoreTargetInfo`, `RestoreFilesTargetInfo`}, 400, invalid},
		"restore without criteria":      {"POST", at + "/restore", restore, edit{`"restoreCriteria"`, `"other"`}, 400, invalid},
		"restore without scope flag":    {"POST", at + "/restore", restore, edit{`"includeClusterScopeResources":true`, `"other":1`}, 400, invalid},
		"restore with overwriting":      {"POST", at + "/restore", restore, edit{`"Skip"`, `"Overwrite"`}, 400, invalid},
		"restore in unknown mode":       {"POST", at + "/restore", restore, edit{`"RestoreWithVolumeData"`, `"Half"`}, 400, invalid},
		"restore of other namespaces":   {"POST", at + "/restore", restore, edit{`"includedNamespaces":["test"]`, `"includedNamespaces":["prod"]`}, 400, invalid},
		"restore of two into one":       {"POST", at + "/restore", restore, edit{`{"test":"test-restored"}`, `{"test":"x","prod":"x"}`}, 400, invalid},
		"validateRestore of nothing":    {"POST", at + "/validateRestore", `{"other":1}`, edit{}, 400, invalid},
		"validateRestore, absent point": {"POST", at + "/validateRestore", validate, edit{pointName, strings.Repeat("0", 32)}, 400, absent},

		"cluster without location":     {"PUT", clusterAt + "9", `{"tags":{}}`, edit{}, 400, invalid},
		"cluster moved":                {"PUT", clusterAt, `{"location":"westus"}`, edit{}, 409, "InvalidResourceLocation"},
		"cluster without identity":     {"PUT", clusterAt, `{"location":"eastus","identity":{"type":"None"}}`, edit{}, 400, invalid},
		"token of no cluster":          {"POST", clusterAt + "9/createConnectToken", "", edit{}, 404, "ResourceNotFound"},
		"binding without a source":     {"PUT", bindingAt, bindingBody, edit{`"sourceResourceId"`, `"other"`}, 400, invalid},
		"binding of no vault":          {"PUT", bindingAt, bindingBody, edit{`backupVaults/v1`, `backupVaults/v9`}, 400, absent},
		"binding of unknown role":      {"PUT", bindingAt, bindingBody, edit{`backup-operator`, `admin`}, 400, invalid},
		"binding on no cluster":        {"PUT", strings.Replace(bindingAt, "aks1", "aks9", 1), bindingBody, edit{}, 404, "ParentResourceNotFound"},
		"extension of unknown type":    {"PUT", extAt, extBody, edit{`Microsoft.DataProtection.Kubernetes`, `Microsoft.Flux`}, 400, invalid},
		"extension without container":  {"PUT", extAt, extBody, edit{`"configuration.backupStorageLocation.bucket"`, `"other"`}, 400, "UserErrorNoDefaultBackupStorageLocationFound"},
		"extension for a namespace":    {"PUT", extAt, extBody, edit{`"cluster":{"releaseNamespace":"dataprotection-microsoft"}`, `"namespace":{"targetNamespace":"x"}`}, 400, invalid},
		"account without sku":          {"PUT", accountAt + "2", accountBody, edit{`"sku"`, `"other"`}, 400, invalid},
		"account without kind":         {"PUT", accountAt + "2", accountBody, edit{`"kind"`, `"other"`}, 400, invalid},
		"account with a bad name":      {"PUT", accountAt + "-x", accountBody, edit{}, 400, invalid},
		"account moved":                {"PUT", accountAt, accountBody, edit{`eastus`, `westus`}, 409, "InvalidResourceLocation"},
		"container of no account":      {"PUT", strings.Replace(boxAt, "/acct/", "/acct9/", 1), boxBody, edit{}, 404, "ParentResourceNotFound"},
		"container with a bad name":    {"PUT", boxAt + "_", boxBody, edit{}, 400, invalid},
		"container of another service": {"PUT", strings.Replace(boxAt, "/default/", "/other/", 1), boxBody, edit{}, 400, invalid},
		"container that holds points":  {"DELETE", boxAt, "", edit{}, 409, "UserErrorResourceInUse"},
		"identity without location":    {"PUT", group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u", `{"tags":{}}`, edit{}, 400, invalid},
	} {
		body := c.body
		if c.edit[0] != "" {
			body = c.edit.apply(t, body)
		}
		before := w.snapshot()
		a := w.do("owner", c.method, c.path, body)
		if a.StatusCode != c.status || a.code(t) != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, a.StatusCode, a.raw, c.status, c.code)
		}
		if w.snapshot() != before || len(w.work()) != 0 {
			t.Errorf("%s: the refused request changed something", name)
		}
		checkAdvice(t, name, a)
	}
}

// checkAdvice makes sure that codes of ours come with what to do.
func checkAdvice(t *testing.T, name string, a answer) {
	t.Helper()
	if code := a.code(t); !strings.HasPrefix(code, "UserError") && !strings.HasPrefix(code, "BMS") {
		return // any resource manager's
	}
	infos, _ := a.at("error.additionalInfo").([]any)
	if len(infos) != 1 {
		t.Errorf("%s: no additional info in %s", name, a.raw)
		return
	}
	info := infos[0].(map[string]any)["info"].(map[string]any)
	if actions, _ := info["recommendedAction"].([]any); len(actions) == 0 || info["isUserError"] != true {
		t.Errorf("%s: %s", name, a.raw)
	}
}

// TestNobodyWithoutRights walks the doors with callers who lack the role.
func TestNobodyWithoutRights(t *testing.T) {
	t.Parallel()
	w := protect(t)
	restore := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(testdata(t, "restore.json")), `{"restoreRequestObject":`), "}")
	for _, c := range []struct {
		as, method, path, body string
		status                 int
		code                   string
	}{
		{"stranger", "GET", vaultAt, "", 403, "AuthorizationFailed"},
		{"stranger", "GET", at + "/recoveryPoints", "", 403, "AuthorizationFailed"},
		{"reader", "GET", vaultAt, "", 200, ""},
		{"reader", "POST", at + "/backup", backupBody, 403, "AuthorizationFailed"},
		{"reader", "PUT", vaultAt, vaultBody, 403, "AuthorizationFailed"},
		{"operator", "POST", at + "/backup", backupBody, 202, ""},
		{"operator", "DELETE", at, "", 403, "AuthorizationFailed"},
		{"operator", "POST", at + "/restore", restore, 403, "LinkedAuthorizationFailed"},
		{"contributor", "PUT", vaultAt + "/backupInstances/i3", testdata(t, "instance.json"), 403, "LinkedAuthorizationFailed"},
		{"contributor", "DELETE", vaultAt, "", 403, "AuthorizationFailed"},
		{"operator", "POST", clusterAt + "/createConnectToken", "", 403, "AuthorizationFailed"},
		{"contributor", "PUT", accountAt, accountBody, 403, "AuthorizationFailed"},
	} {
		if a := w.do(c.as, c.method, c.path, c.body); a.StatusCode != c.status || a.code(t) != c.code {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.as, c.method, c.path, a.StatusCode, a.raw, c.status, c.code)
		}
	}
}

// TestWorkIsAskedForInTheSameTransaction: when the queue refuses, nothing stays.
func TestWorkIsAskedForInTheSameTransaction(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(202, "POST", at+"/backup", backupBody)
	work := w.work()
	if len(work) != 1 {
		t.Fatalf("%d pieces of work", len(work))
	}
	w.update(func(tx catalog.Tx) error {
		job, err := inventory.Jobs.Get(tx, work[0].Subject)
		if err == nil && (job.OperationID != work[0].OperationID || job.RecoveryPointID == "") {
			t.Errorf("job %+v, work %+v", job, work[0])
		}
		return err
	})
}
