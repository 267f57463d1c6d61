package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/client"
)

const apiVersion = "2025-07-01"

// Roles that the identities need.
const (
	reader          = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	contributor     = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	dataContributor = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
)

// object is a shorthand for JSON.
type object = map[string]any

// world is the service as its users see it.
type world struct {
	size         size
	api          *client.Client
	subscription string
	agents       *agents
	instances    []string // ids
	due          time.Time
}

func (w *world) group() string     { return w.subscription + "/resourceGroups/fleet" }
func (w *world) snapshots() string { return w.subscription + "/resourceGroups/snapshots" }
func (w *world) account() string {
	return w.group() + "/providers/Microsoft.Storage/storageAccounts/operational"
}
func (w *world) vault() string {
	return w.group() + "/providers/Microsoft.DataProtection/backupVaults/main"
}
func (w *world) policy(n int) string { return fmt.Sprintf("%s/backupPolicies/p%03d", w.vault(), n) }
func (w *world) cluster(n int) string {
	return fmt.Sprintf("%s/providers/Microsoft.ContainerService/managedClusters/c%03d", w.group(), n)
}

// furnish makes everything up to protected instances, by the API.
func (w *world) furnish(ctx context.Context) error {
	for _, r := range []struct {
		path string
		body object
	}{
		{w.group(), object{"location": "local"}},
		{w.snapshots(), object{"location": "local"}},
		{w.account(), object{"location": "local", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}}},
		{w.vault(), object{"location": "local", "identity": object{"type": "SystemAssigned"},
			"properties": object{"storageSettings": []any{object{"datastoreType": "VaultStore", "type": "LocallyRedundant"}}}}},
	} {
		if _, err := w.must(ctx, http.MethodPut, r.path, r.body); err != nil {
			return fmt.Errorf("%s: %w", r.path, err)
		}
	}
	vault, err := w.principal(ctx, w.vault())
	if err == nil {
		err = w.assign(ctx, reader, vault, w.snapshots())
	}
	var clusters []string
	for n := range w.size.Clusters {
		clusters = append(clusters, w.cluster(n))
	}
	if err == nil {
		err = each(ctx, clusters, func(ctx context.Context, id string) error { return w.connect(ctx, id, vault) })
	}
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := w.makePolicies(ctx, begun.Add(w.size.Lead)); err != nil {
		return err
	}
	if err := w.protect(ctx); err != nil {
		return err
	}
	tell("%d instances protected after %.0f s, all due in %.0f s", w.size.instances(), time.Since(begun).Seconds(), time.Until(w.due).Seconds())
	return nil
}

// makePolicies makes policies that are all due at one moment: once instances use
// them they cannot be changed.
func (w *world) makePolicies(ctx context.Context, due time.Time) error {
	w.due = due.UTC().Truncate(time.Second)
	var policies []string
	for n := range w.size.Policies {
		policies = append(policies, w.policy(n))
	}
	return each(ctx, policies, func(ctx context.Context, id string) error {
		_, err := w.must(ctx, http.MethodPut, id, policyBody(w.due))
		return err
	})
}

// connect connects a cluster, declares its extension and gives the roles.
func (w *world) connect(ctx context.Context, id, vault string) error {
	if _, err := w.must(ctx, http.MethodPut, id, object{"location": "local", "identity": object{"type": "SystemAssigned"}}); err != nil {
		return err
	}
	name := path.Base(id) // of its container too: clusters do not share one
	if _, err := w.must(ctx, http.MethodPut, w.account()+"/blobServices/default/containers/"+name, object{"properties": object{}}); err != nil {
		return err
	}
	token, err := w.must(ctx, http.MethodPost, id+"/createConnectToken", object{})
	if err != nil {
		return err
	}
	w.agents.connect(name, token)
	extension := id + "/providers/Microsoft.KubernetesConfiguration/extensions/azure-aks-backup"
	_, err = w.must(ctx, http.MethodPut, extension, object{"identity": object{"type": "SystemAssigned"}, "properties": object{
		"extensionType": "Microsoft.DataProtection.Kubernetes",
		"configurationSettings": object{"blobContainer": name, "storageAccount": "operational",
			"storageAccountResourceGroup": "fleet", "storageAccountSubscriptionId": w.subscription[len("/subscriptions/"):]}}})
	if err != nil {
		return err
	}
	_, err = w.must(ctx, http.MethodPut, id+"/trustedAccessRoleBindings/vault", object{"properties": object{
		"sourceResourceId": w.vault(), "roles": []string{"Microsoft.DataProtection/backupVaults/backup-operator"}}})
	if err != nil {
		return err
	}
	cluster, err := w.principal(ctx, id)
	if err != nil {
		return err
	}
	declared, err := w.must(ctx, http.MethodGet, extension, nil)
	if err != nil {
		return err
	}
	properties, _ := declared["properties"].(object)
	identity, _ := properties["aksAssignedIdentity"].(object)
	storage, _ := identity["principalId"].(string)
	for _, grant := range [][3]string{{reader, vault, id}, {contributor, cluster, w.snapshots()}, {dataContributor, storage, w.account()}} {
		if err := w.assign(ctx, grant[0], grant[1], grant[2]); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) principal(ctx context.Context, id string) (string, error) {
	resource, err := w.must(ctx, http.MethodGet, id, nil)
	if err != nil {
		return "", err
	}
	identity, _ := resource["identity"].(object)
	principal, ok := identity["principalId"].(string)
	if !ok {
		return "", fmt.Errorf("%s has no identity", id)
	}
	return principal, nil
}

func (w *world) assign(ctx context.Context, role, principal, scope string) error {
	_, err := w.must(ctx, http.MethodPut, scope+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString(), object{"properties": object{
		"roleDefinitionId": w.subscription + "/providers/Microsoft.Authorization/roleDefinitions/" + role,
		"principalId":      principal, "principalType": "ServicePrincipal"}})
	return err
}

// protecting is how many instances are being protected at a time. Each is waited for,
// as clients of the API do: the service has not promised to have thousands configured
// within the time that one may take.
const protecting = 64

// protect makes the instances and waits until all are protected and planned.
func (w *world) protect(ctx context.Context) error {
	body := map[string]object{}
	for c := range w.size.Clusters {
		for p := range w.size.Policies {
			id := fmt.Sprintf("%s/backupInstances/c%03d-p%03d", w.vault(), c, p)
			w.instances = append(w.instances, id)
			body[id] = object{"properties": w.instance(c, p)}
		}
	}
	return some(ctx, protecting, w.instances, func(ctx context.Context, id string) error {
		if _, err := w.api.Do(ctx, http.MethodPut, id, apiVersion, body[id]); err != nil {
			return err
		}
		return w.planned(ctx, id)
	})
}

// errTooSlow says that not everything was protected before the time of the policies.
var errTooSlow = errors.New("furnishing took too long")

// planned waits until an instance is protected, and its next backup due when all are.
func (w *world) planned(ctx context.Context, id string) error {
	for time.Now().Before(w.due) {
		var instance struct {
			Properties struct {
				State    string                       `json:"currentProtectionState"`
				Status   json.RawMessage              `json:"protectionStatus"`
				Schedule *struct{ NextDue time.Time } `json:"holdfastSchedule"`
			}
		}
		answer, err := w.api.Do(ctx, http.MethodGet, id, apiVersion, nil)
		if err == nil {
			err = json.Unmarshal(answer.Body, &instance)
		}
		if err != nil {
			return err
		}
		now := instance.Properties
		switch {
		case now.State == "ConfiguringProtectionFailed":
			return fmt.Errorf("not protected: %s", now.Status)
		case now.State == "ProtectionConfigured" && now.Schedule != nil && now.Schedule.NextDue.Equal(w.due):
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return errTooSlow
}

func (w *world) instance(cluster, policy int) object {
	return object{"objectType": "BackupInstance", "friendlyName": fmt.Sprintf("p%03d", policy),
		"dataSourceInfo": object{"objectType": "Datasource", "datasourceType": "Microsoft.ContainerService/managedClusters",
			"resourceID": w.cluster(cluster), "resourceName": fmt.Sprintf("c%03d", cluster), "resourceLocation": "local"},
		"policyInfo": object{"policyId": w.policy(policy), "policyParameters": object{
			"dataStoreParametersList": []any{object{"objectType": "AzureOperationalStoreParameters",
				"dataStoreType": "OperationalStore", "resourceGroupId": w.snapshots()}},
			"backupDatasourceParametersList": []any{object{"objectType": "KubernetesClusterBackupDatasourceParameters",
				"includedNamespaces": []string{fmt.Sprintf("n%03d", policy)}, "includeClusterScopeResources": false, "snapshotVolumes": false}}}}}
}

// policyBody is a policy that takes a backup every day at a time and keeps it for a
// week.
func policyBody(due time.Time) object {
	operational := object{"dataStoreType": "OperationalStore", "objectType": "DataStoreInfoBase"}
	return object{"properties": object{"objectType": "BackupPolicy", "datasourceTypes": []string{"Microsoft.ContainerService/managedClusters"},
		"policyRules": []any{
			object{"name": "BackupHourly", "objectType": "AzureBackupRule", "dataStore": operational,
				"backupParameters": object{"objectType": "AzureBackupParams", "backupType": "Incremental"},
				"trigger": object{"objectType": "ScheduleBasedTriggerContext",
					"schedule":        object{"repeatingTimeIntervals": []string{"R/" + due.AddDate(0, 0, -1).Format("2006-01-02T15:04:05+00:00") + "/P1D"}, "timeZone": "Coordinated Universal Time"},
					"taggingCriteria": []any{object{"isDefault": true, "taggingPriority": 99, "tagInfo": object{"id": "Default_", "tagName": "Default"}}}}},
			object{"name": "Default", "objectType": "AzureRetentionRule", "isDefault": true,
				"lifecycles": []any{object{"sourceDataStore": operational, "targetDataStoreCopySettings": []any{},
					"deleteAfter": object{"objectType": "AbsoluteDeleteOption", "duration": "P7D"}}}},
		}}}
}
