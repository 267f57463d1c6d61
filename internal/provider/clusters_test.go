package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

func TestClusterConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.must(201, "PUT", clusterAt, `{"location":"eastus","tags":{"a":"b"},"properties":{"dnsPrefix":"p","agentPoolProfiles":[]}}`)
	if a.at("identity.type") != "SystemAssigned" || len(a.at("identity.principalId").(string)) != 36 || a.at("properties.dnsPrefix") != "p" {
		t.Errorf("%s", a.raw)
	}
	if a.at("properties.powerState.code") != "Stopped" || a.at("properties.holdfastConnection.state") != "NeverConnected" {
		t.Errorf("before it connects: %s", a.raw)
	}
	w.update(func(tx catalog.Tx) error {
		return inventory.Connections.Put(tx, &backup.Connection{
			Meta: backup.Meta{ID: backup.ConnectionID(clusterAt, backup.RoleConnector)}, Role: backup.RoleConnector,
			LastSeen: w.clock.Now(), Facts: backup.ClusterFacts{KubernetesVersion: "1.37.0", Nodes: 1, Architectures: []string{"amd64"}},
		})
	})
	a = w.must(200, "GET", clusterAt, "")
	if a.at("properties.powerState.code") != "Running" || a.at("properties.kubernetesVersion") != "1.37.0" || a.at("properties.holdfastConnection.nodes") != 1.0 {
		t.Errorf("connected: %s", a.raw)
	}
	w.clock.Advance(time.Hour)
	if a = w.must(200, "GET", clusterAt, ""); a.at("properties.holdfastConnection.state") != "Disconnected" {
		t.Errorf("silent: %s", a.raw)
	}

	token := w.must(200, "POST", clusterAt+"/createConnectToken", "")
	want := map[string]any{"token": "token-for-connector-of-aks1", "expiresAt": "2026-01-12T08:00:00.0000000Z",
		"clusterId": clusterAt, "agentAddress": "https://agents:9443", "serviceCa": "PEM"}
	if diff := cmp.Diff(want, token.body); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	if list := w.must(200, "GET", sub+"/providers/Microsoft.ContainerService/managedclusters", "").at("value").([]any); len(list) != 1 {
		t.Errorf("%d clusters", len(list))
	}
}

// TestDeletedClusterLeavesItsBackups: what was backed up outlives the cluster.
func TestDeletedClusterLeavesItsBackups(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.must(201, "PUT", extAt, extBody)
	w.must(200, "DELETE", clusterAt, "")
	w.must(204, "DELETE", clusterAt, "")
	w.must(404, "GET", extAt, "")
	w.must(200, "GET", at+"/recoveryPoints/"+pointName, "")
}

func TestTrustedAccess(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	a := w.must(201, "PUT", bindingAt, bindingBody)
	if a.at("properties.provisioningState") != "Succeeded" || a.at("properties.sourceResourceId") != vaultAt {
		t.Errorf("%s", a.raw)
	}
	if _, err := poll(w, a); err != nil {
		t.Error(err)
	}
	w.must(200, "PUT", bindingAt, bindingBody)
	if list := w.must(200, "GET", clusterAt+"/trustedAccessRoleBindings", "").at("value").([]any); len(list) != 1 {
		t.Errorf("%d bindings", len(list))
	}
	gone := w.must(202, "DELETE", bindingAt, "")
	if _, err := poll(w, gone); err != nil {
		t.Error(err)
	}
	w.must(204, "DELETE", bindingAt, "")
	roles := w.must(200, "GET", sub+"/providers/Microsoft.ContainerService/locations/eastus/trustedAccessRoles", "")
	if role := roles.at("value").([]any)[0].(map[string]any); role["name"] != "backup-operator" || role["sourceResourceType"] != "Microsoft.DataProtection/backupVaults" {
		t.Errorf("%v", role)
	}
}

func TestExtensionLife(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	a := w.must(201, "PUT", extAt, extBody)
	if a.at("properties.provisioningState") != "Creating" || !strings.Contains(a.Header.Get("Azure-AsyncOperation"), extAt+"/operations/") {
		t.Errorf("%s %v", a.raw, a.Header)
	}
	if again := w.must(200, "PUT", extAt, extBody); again.Header.Get("Azure-AsyncOperation") != a.Header.Get("Azure-AsyncOperation") {
		t.Error("a repeated request waits for another operation")
	}
	w.finish()
	got, err := poll(w, a)
	if err != nil {
		t.Fatal(err)
	}
	var sent map[string]any
	decode(t, extBody, &sent)
	props := got["properties"].(map[string]any)
	for name, want := range sent["properties"].(map[string]any) {
		if diff := cmp.Diff(want, props[name]); diff != "" {
			t.Errorf("%s (-sent +got):\n%s", name, diff)
		}
	}
	if id := props["aksAssignedIdentity"].(map[string]any); len(id["principalId"].(string)) != 36 || props["currentVersion"] != "0.1.0" {
		t.Errorf("%v", props)
	}
	w.must(200, "PUT", extAt, extBody)
	if len(w.work()) != 0 {
		t.Error("an unchanged PUT started something")
	}
	patched := w.must(200, "PATCH", extAt, `{"properties":{"configurationSettings":{"memoryLimit":"4400Mi"},"configurationProtectedSettings":{"secret":"hidden"}}}`)
	if patched.at("properties.provisioningState") != "Updating" || strings.Contains(string(patched.raw), "hidden") ||
		patched.at("properties.configurationSettings").(map[string]any)["memoryLimit"] != "4400Mi" {
		t.Errorf("%s", patched.raw)
	}
	w.finish()
	gone := w.must(202, "DELETE", extAt+"?forceDelete=false", "")
	w.finish()
	if _, err := poll(w, gone); err != nil {
		t.Error(err)
	}
	w.must(404, "GET", extAt, "")
	w.must(204, "DELETE", extAt, "")
}

// TestProtectedSettings are sealed in the document, and the same ones declared
// again start nothing.
func TestProtectedSettings(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	body := strings.Replace(extBody, `"configurationSettings"`, `"configurationProtectedSettings":{"a":"hidden1"},"configurationSettings"`, 1)
	for range 2 {
		w.do("owner", "PUT", extAt, body)
		w.finish()
	}
	w.must(200, "PUT", extAt, body)
	w.must(200, "PATCH", extAt, `{"properties":{"configurationProtectedSettings":{"a":"hidden1"}}}`)
	if work := w.work(); len(work) != 0 {
		t.Errorf("the same settings again started %v", work)
	}
	w.must(200, "PATCH", extAt, `{"properties":{"configurationProtectedSettings":{"b":"hidden2"}}}`)
	w.update(func(tx catalog.Tx) error {
		e, err := inventory.Extensions.Get(tx, extAt)
		if err != nil {
			return err
		}
		for name, want := range map[string]string{"a": "hidden1", "b": "hidden2"} {
			sealed := e.Protected[name]
			if got, err := w.secrets.Open(t.Context(), e.SettingOwner(name), sealed); got != want || strings.Contains(string(sealed), "hidden") {
				t.Errorf("setting %s = %q (%q), %v", name, got, sealed, err)
			}
		}
		return nil
	})
}

// TestExtensionShortNames takes what the command line of Azure sends.
func TestExtensionShortNames(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	a := w.must(201, "PUT", extAt, `{"properties":{"extensionType":"microsoft.dataprotection.kubernetes","configurationSettings":{
		"blobContainer":"c01","storageAccount":"acct","storageAccountResourceGroup":"aksrg","storageAccountSubscriptionId":"S"}}}`)
	if a.at("properties.extensionType") != "microsoft.dataprotection.kubernetes" || a.at("properties.configurationSettings.blobContainer") != "c01" {
		t.Errorf("%s", a.raw)
	}
}

func TestExtensionLocation(t *testing.T) {
	t.Parallel()
	second := secondAt + "/providers/Microsoft.KubernetesConfiguration/extensions/azure-aks-backup"
	for name, c := range map[string]struct {
		arrange func(w *world)
		path    string
		status  int
		code    string
	}{
		"no container":       {func(w *world) { w.must(200, "DELETE", boxAt, "") }, extAt, 400, "UserErrorBackupStorageLocationContainerNotFound"},
		"no account":         {func(w *world) { w.must(200, "DELETE", accountAt, "") }, extAt, 400, "UserErrorGenericResourceNotFound"},
		"container vanished": {func(w *world) { os.RemoveAll(filepath.Join(w.root, "acct", "c01")) }, extAt, 400, "UserErrorBackupStorageLocationContainerNotFound"},
		"premium account": {func(w *world) {
			w.must(200, "PUT", accountAt, strings.Replace(accountBody, "Standard", "Premium", 1))
		}, extAt, 400, "UserErrorStorageAccountTypeNotSupported"},
		"old kind of account": {func(w *world) {
			w.must(200, "PUT", accountAt, strings.Replace(accountBody, "StorageV2", "BlobStorage", 1))
		}, extAt, 400, "UserErrorStorageAccountTypeNotSupported"},
		"another region": {func(w *world) {
			w.must(200, "DELETE", clusterAt, "")
			w.must(201, "PUT", clusterAt, `{"location":"westus"}`)
		}, extAt, 400, "UserErrorStorageAccountInAnotherRegion"},
		"shared with another cluster": {func(w *world) { w.must(201, "PUT", extAt, extBody) }, second, 400, "UserErrorBackupStorageLocationSharedWithAnotherCluster"},
		"second extension":            {func(w *world) { w.must(201, "PUT", extAt, extBody) }, extAt + "2", 409, "UserErrorExtensionAlreadyInstalled"},
		"no cluster":                  {func(w *world) { w.must(200, "DELETE", clusterAt, "") }, extAt, 404, "ParentResourceNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			w := prepare(t)
			c.arrange(w)
			before := w.snapshot()
			if a := w.do("owner", "PUT", c.path, extBody); a.StatusCode != c.status || a.code(t) != c.code {
				t.Errorf("%d %s, want %d %s", a.StatusCode, a.raw, c.status, c.code)
			}
			if w.snapshot() != before {
				t.Error("the refused request changed something")
			}
		})
	}
}

func TestContainerThatIsNotEmpty(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	if err := os.WriteFile(filepath.Join(w.root, "acct", "c01", "other"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := w.must(201, "PUT", extAt, extBody)
	status := a.at("properties.statuses").([]any)[0].(map[string]any)
	if status["level"] != "Warning" || status["code"] != "UserWarningBackupStorageLocationNotEmpty" {
		t.Errorf("%v", status)
	}
}

func TestStorage(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	a := w.must(200, "GET", accountAt, "")
	if a.at("sku.name") != "Standard_LRS" || a.at("sku.tier") != "Standard" || a.at("kind") != "StorageV2" || a.at("properties.provisioningState") != "Succeeded" {
		t.Errorf("%s", a.raw)
	}
	if _, err := os.Stat(filepath.Join(w.root, "acct", "c01")); err != nil {
		t.Errorf("the container is not in the store: %v", err)
	}
	w.must(200, "PUT", boxAt, boxBody)
	if list := w.must(200, "GET", accountAt+"/blobServices/default/containers", "").at("value").([]any); len(list) != 1 {
		t.Errorf("%d containers", len(list))
	}
	if got := w.must(200, "GET", boxAt, ""); got.at("type") != "Microsoft.Storage/storageAccounts/blobServices/containers" {
		t.Errorf("%s", got.raw)
	}
	// In use it cannot be forgotten, nor the account around it.
	w.must(201, "PUT", extAt, extBody)
	for _, path := range []string{boxAt, accountAt} {
		if a := w.must(409, "DELETE", path, ""); a.code(t) != "UserErrorResourceInUse" {
			t.Errorf("%s", a.raw)
		}
	}
}

func TestStorageWithAStoreOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(200, "PUT", accountAt, `{"location":"eastus","sku":{"name":"Standard_LRS"},"kind":"StorageV2","properties":{"holdfastStore":{"url":"https://acct.example","accountName":"acct","accountKey":"c2VjcmV0LWtleQ=="}}}`)
	a := w.must(200, "PUT", accountAt, `{"location":"eastus","tags":{"a":"b"},"sku":{"name":"Standard_LRS"},"kind":"StorageV2","properties":{"holdfastStore":{"url":"https://acct.example","accountName":"acct"}}}`)
	if strings.Contains(string(a.raw), "c2VjcmV0") || a.at("properties.primaryEndpoints.blob") != "https://acct.example/" {
		t.Errorf("%s", a.raw)
	}
	w.update(func(tx catalog.Tx) error {
		account, err := inventory.Accounts.Get(tx, accountAt)
		if err != nil {
			return err
		}
		if key, err := w.secrets.Open(t.Context(), account.KeyOwner(), account.Store.Key); key != "c2VjcmV0LWtleQ==" {
			t.Errorf("the key was lost by a PUT without it: %q, %v", key, err)
		}
		return nil
	})
	for url, code := range map[string]string{"file:///etc": "UserErrorStoreFolderNotAllowed", "file://" + w.root + "/../x": "BMSUserErrorInvalidInput"} {
		a := w.must(400, "PUT", accountAt+"2", `{"location":"eastus","sku":{"name":"Standard_LRS"},"kind":"StorageV2","properties":{"holdfastStore":{"url":"`+url+`"}}}`)
		if a.code(t) != code {
			t.Errorf("%s: %s", url, a.raw)
		}
	}
	taken := group + "/providers/Microsoft.Storage/storageAccounts/acct"
	if a := w.must(409, "PUT", taken, accountBody); a.code(t) != "StorageAccountAlreadyTaken" {
		t.Errorf("%s", a.raw)
	}
	// Nothing answers at that address: the container is refused, nothing is written.
	before := w.snapshot()
	w.must(200, "PUT", accountAt, `{"location":"eastus","sku":{"name":"Standard_LRS"},"kind":"StorageV2","properties":{"holdfastStore":{"url":"http://127.0.0.1:1/acct","accountName":"acct","accountKey":"c2VjcmV0LWtleQ=="}}}`)
	if a := w.do("owner", "PUT", boxAt, boxBody); a.StatusCode != 400 || a.code(t) != "UserErrorBackupStorageLocationUnreachable" || strings.Contains(string(a.raw), "c2VjcmV0") {
		t.Errorf("%d %s", a.StatusCode, a.raw)
	}
	if !strings.Contains(before, "storage-account") || strings.Contains(w.snapshot(), "container ") {
		t.Error("a container stands for nothing")
	}
}
