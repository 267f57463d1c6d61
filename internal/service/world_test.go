package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
)

// patience is how long a test waits for anything.
const patience = 60 * time.Second

const apiVersion = "2025-07-01"

// world is a running service with its data directory, and the ids of what
// the tests make in it.
type world struct {
	t      *testing.T
	dir    string
	host   string // see ownAddress
	listen string // kept over restarts, so that agents find the service again
	agents string
	stop   func()
	api    *client.Client
	admin  service.Admin
	// options are set beside what every world has.
	options service.Options

	sub, group, cluster, account, container, extension, vault, policy, instance string
}

// worlds counts them.
var worlds atomic.Int32

// ownAddress is a loopback address that nobody else listens at or calls from: so
// nobody takes the ports of a service while it is away.
func ownAddress() string {
	n := worlds.Add(1)
	return fmt.Sprintf("127.1.%d.%d", n/250, 1+n%250)
}

// anyPort lets the service choose its ports at the next start.
func (w *world) anyPort() { w.listen, w.agents = w.host+":0", w.host+":0" }

// newWorld starts a service in a new data directory.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, service.Options{})
}

// newWorldWith is newWorld with options beside what every world has.
func newWorldWith(t *testing.T, o service.Options) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), host: ownAddress(), options: o}
	w.anyPort()
	w.start()
	t.Cleanup(func() { w.stop() })
	w.sub = "/subscriptions/" + w.admin.Subscription
	w.group = w.sub + "/resourceGroups/rg"
	w.cluster = w.group + "/providers/Microsoft.ContainerService/managedClusters/prod"
	w.account = w.group + "/providers/Microsoft.Storage/storageAccounts/operational"
	w.container = w.account + "/blobServices/default/containers/prod"
	w.extension = w.cluster + "/providers/Microsoft.KubernetesConfiguration/extensions/azure-aks-backup"
	w.vault = w.group + "/providers/Microsoft.DataProtection/backupVaults/main"
	w.policy = w.vault + "/backupPolicies/standard"
	w.instance = w.vault + "/backupInstances/shop"
	return w
}

// start starts the service on the world's data directory.
func (w *world) start() {
	w.t.Helper()
	o := w.options
	o.DataDir, o.Listen, o.AgentListen, o.Advertise = w.dir, w.listen, w.agents, []string{w.host}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	o.Log = slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := service.Open(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.listen, w.agents = strings.TrimPrefix(s.URL, "https://"), strings.TrimPrefix(s.AgentAddress, "https://")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("service: %v", err)
		}
	})
	w.signIn(s.URL)
}

func (w *world) signIn(url string) {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, "admin.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &w.admin); err != nil {
		w.t.Fatal(err)
	}
	ca, err := os.ReadFile(w.admin.CAFile)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := client.ClientCredentials(client.Credentials{
		Address: url, Tenant: w.admin.Tenant, ClientID: w.admin.ClientID, Secret: w.admin.ClientSecret, CA: ca})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.api, err = client.New(client.Config{Address: url, CA: ca, Token: token}); err != nil {
		w.t.Fatal(err)
	}
}

// restart stops the service and starts it again on the same data.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// try sends a request and waits for what it started.
func (w *world) try(method, path string, body any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	first, err := w.api.Do(ctx, method, path, apiVersion, body)
	if err != nil {
		return nil, err
	}
	_, result, err := w.api.Wait(ctx, first, nil)
	return result, err
}

// must is try that ends the test when it fails; the result is decoded.
func (w *world) must(method, path string, body any) map[string]any {
	w.t.Helper()
	raw, err := w.try(method, path, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	var out map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			w.t.Fatalf("%s %s: %s: %v", method, path, raw, err)
		}
	}
	return out
}

// refused demands that a request fails with the code.
func (w *world) refused(code, method, path string, body any) {
	w.t.Helper()
	_, err := w.try(method, path, body)
	var answer *client.Error
	if !errors.As(err, &answer) || answer.Code != code {
		w.t.Fatalf("%s %s: %v, want the code %s", method, path, err, code)
	}
}

// Secrets that the tests hand in.
const (
	storeKey         = "c3RvcmVrZXktYWJjZGVmZ2hpamtsbW5vcA=="
	protectedSetting = "correct-horse-battery"
)

// object is a shorthand for JSON.
type object = map[string]any

// furnish makes everything that an instance needs but the roles.
func (w *world) furnish() {
	w.t.Helper()
	w.must(http.MethodPut, w.group, object{"location": "local"})
	w.must(http.MethodPut, w.group+"x", object{"location": "local"})
	w.must(http.MethodPut, w.cluster, object{"location": "local", "identity": object{"type": "SystemAssigned"}})
	w.must(http.MethodPut, w.account, object{"location": "local", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}})
	w.must(http.MethodPut, w.container, object{"properties": object{}})
	w.must(http.MethodPut, w.account+"2", object{"location": "local", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"},
		"properties": object{"holdfastStore": object{"url": "https://127.0.0.1:1", "accountName": "azure", "accountKey": storeKey}}})
	w.must(http.MethodPut, w.vault, object{"location": "local", "identity": object{"type": "SystemAssigned"},
		"properties": object{"storageSettings": []any{object{"datastoreType": "VaultStore", "type": "LocallyRedundant"}}}})
	w.must(http.MethodPut, w.policy, json.RawMessage(policyBody))
	w.must(http.MethodPut, w.cluster+"/trustedAccessRoleBindings/vault", object{"properties": object{
		"sourceResourceId": w.vault, "roles": []string{"Microsoft.DataProtection/backupVaults/backup-operator"}}})
}

// declareExtension declares the extension; a connector must be at work.
func (w *world) declareExtension() object {
	w.t.Helper()
	w.must(http.MethodPut, w.extension, object{"identity": object{"type": "SystemAssigned"}, "properties": object{
		"extensionType":                  "Microsoft.DataProtection.Kubernetes",
		"configurationProtectedSettings": object{"password": protectedSetting},
		"configurationSettings": object{"blobContainer": "prod", "storageAccount": "operational",
			"storageAccountResourceGroup": "rg", "storageAccountSubscriptionId": w.admin.Subscription}}})
	return w.must(http.MethodGet, w.extension, nil)
}

// grantRoles gives every identity what it needs.
func (w *world) grantRoles() {
	w.t.Helper()
	extension := w.must(http.MethodGet, w.extension, nil)
	w.assign("acdd72a7-3385-48ef-bd42-f606fba81ae7", principal(w.must(http.MethodGet, w.vault, nil)), w.cluster)
	w.assign("acdd72a7-3385-48ef-bd42-f606fba81ae7", principal(w.must(http.MethodGet, w.vault, nil)), w.group+"x")
	w.assign("b24988ac-6180-42a0-ab88-20f7382dd24c", principal(w.must(http.MethodGet, w.cluster, nil)), w.group+"x")
	aks := extension["properties"].(object)["aksAssignedIdentity"].(object)
	w.assign("ba92f5b4-2d11-453d-a403-e96b0029c9fe", aks["principalId"].(string), w.account)
}

func principal(resource object) string {
	return resource["identity"].(object)["principalId"].(string)
}

func (w *world) assign(role, principal, scope string) {
	w.t.Helper()
	w.must(http.MethodPut, scope+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString(), object{"properties": object{
		"roleDefinitionId": w.sub + "/providers/Microsoft.Authorization/roleDefinitions/" + role,
		"principalId":      principal, "principalType": "ServicePrincipal"}})
}

func (w *world) instanceBody() object {
	source := object{"objectType": "Datasource", "datasourceType": "Microsoft.ContainerService/managedClusters",
		"resourceID": w.cluster, "resourceName": "prod", "resourceLocation": "local"}
	return object{"objectType": "BackupInstance", "friendlyName": "shop", "dataSourceInfo": source,
		"policyInfo": object{"policyId": w.policy, "policyParameters": object{
			"dataStoreParametersList": []any{object{"objectType": "AzureOperationalStoreParameters",
				"dataStoreType": "OperationalStore", "resourceGroupId": w.group + "x"}},
			"backupDatasourceParametersList": []any{object{"objectType": "KubernetesClusterBackupDatasourceParameters",
				"includedNamespaces": []string{"shop"}, "includeClusterScopeResources": true, "snapshotVolumes": true}}}}}
}

func (w *world) protect() {
	w.t.Helper()
	w.must(http.MethodPut, w.instance, object{"properties": w.instanceBody()})
}

var backupBody = object{"backupRuleOptions": object{"ruleName": "BackupHourly", "triggerOption": object{"retentionTagOverride": "Default"}}}

func (w *world) restoreBody(point string) object {
	return object{"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": point, "sourceDataStoreType": "OperationalStore",
		"restoreTargetInfo": object{"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists", "restoreLocation": "local",
			"datasourceInfo": object{"objectType": "Datasource", "datasourceType": "Microsoft.ContainerService/managedClusters", "resourceID": w.cluster},
			"restoreCriteria": []any{object{"objectType": "KubernetesClusterRestoreCriteria", "includeClusterScopeResources": true,
				"namespaceMappings": object{"shop": "shop2"}}}}}
}

// points lists the names of the recovery points.
func (w *world) points() (names []string) {
	w.t.Helper()
	for _, value := range w.must(http.MethodGet, w.instance+"/recoveryPoints", nil)["value"].([]any) {
		names = append(names, value.(object)["name"].(string))
	}
	return names
}

// jobStatus is the status of the job an action started.
func (w *world) jobOf(result object) object {
	w.t.Helper()
	return w.must(http.MethodGet, result["jobId"].(string), nil)["properties"].(object)
}

const policyBody = `{"properties":{"objectType":"BackupPolicy","datasourceTypes":["Microsoft.ContainerService/managedClusters"],
 "policyRules":[
  {"name":"BackupHourly","objectType":"AzureBackupRule",
   "backupParameters":{"objectType":"AzureBackupParams","backupType":"Incremental"},
   "dataStore":{"dataStoreType":"OperationalStore","objectType":"DataStoreInfoBase"},
   "trigger":{"objectType":"ScheduleBasedTriggerContext",
    "schedule":{"repeatingTimeIntervals":["R/2023-01-04T09:00:00+00:00/PT4H"],"timeZone":"Coordinated Universal Time"},
    "taggingCriteria":[{"isDefault":true,"taggingPriority":99,"tagInfo":{"id":"Default_","tagName":"Default"}}]}},
  {"name":"Default","objectType":"AzureRetentionRule","isDefault":true,
   "lifecycles":[{"sourceDataStore":{"dataStoreType":"OperationalStore","objectType":"DataStoreInfoBase"},
     "deleteAfter":{"objectType":"AbsoluteDeleteOption","duration":"P7D"},"targetDataStoreCopySettings":[]}]}]}}`
