package instance

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

// role is a built-in role.
type role struct{ id, name string }

// The roles of backups.
var (
	reader         = role{"acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader"}
	contributor    = role{"b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor"}
	diskSnapshot   = role{"7efff54f-a5b4-42b5-a1c5-5411624893ce", "Disk Snapshot Contributor"}
	blobDataReader = role{"2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "Storage Blob Data Reader"}
)

// grantee is who a role is given to.
type grantee struct{ id, name string }

const clusterVersion = "2025-10-01"

const roleVersion = "2022-04-01"

// grants gives the identities of vault and cluster the roles that an operation
// needs, and nothing more.
type grants struct {
	c   *console.Console
	ctx context.Context
}

// forBackup lets the vault read the cluster and the snapshot resource group,
// and the cluster keep snapshots in that group. With a policy that uses the vault
// tier the vault may also read the snapshots and the operational container.
func (g grants) forBackup(arg string) error {
	doc, err := g.c.ReadJSON(arg)
	if err != nil {
		return err
	}
	_, props := unwrap(doc)
	cluster, group := idsOf(props)
	if cluster == "" || group == "" {
		return console.Usage("the backup instance names no cluster or no snapshot resource group")
	}
	if err := g.give(cluster, group); err != nil {
		return err
	}
	tiered, err := g.usesVaultTier(policyOf(props))
	if err != nil || !tiered {
		return err
	}
	return g.giveVaultTier(cluster, group)
}

// forRestore does the same for the target cluster, and lets the vault hydrate where
// the request says.
func (g grants) forRestore(arg, snapshots string) error {
	doc, err := g.c.ReadJSON(arg)
	if err != nil {
		return err
	}
	target, _ := doc["restoreTargetInfo"].(map[string]any)
	info, _ := target["datasourceInfo"].(map[string]any)
	cluster, _ := info["resourceID"].(string)
	if cluster == "" {
		return console.Usage("the restore request names no target cluster")
	}
	if err := g.give(cluster, snapshots); err != nil {
		return err
	}
	return g.giveStaging(cluster, target)
}

// give assigns what is missing; an empty group is left alone.
func (g grants) give(cluster, group string) error {
	vaultID, err := g.vaultIdentity()
	if err != nil {
		return err
	}
	if err := g.assign(cluster, vaultID, reader); err != nil || group == "" {
		return err
	}
	if err := g.assign(group, vaultID, reader); err != nil {
		return err
	}
	clusterID, err := g.principal(cluster, clusterVersion, "holdfast cluster connect")
	if err != nil {
		return err
	}
	return g.assign(group, clusterID, contributor)
}

// vaultIdentity is the identity that the vault acts by.
func (g grants) vaultIdentity() (grantee, error) {
	path, err := g.c.VaultPath()
	if err != nil {
		return grantee{}, err
	}
	return g.principal(path, vault.Version, "holdfast backup-vault update --type SystemAssigned")
}

// principal is a resource's system identity.
func (g grants) principal(path, version, remedy string) (grantee, error) {
	raw, err := g.c.Get(g.ctx, path, version)
	if err != nil {
		return grantee{}, err
	}
	var v struct {
		Identity struct {
			PrincipalID string `json:"principalId"`
		} `json:"identity"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return grantee{}, err
	}
	if v.Identity.PrincipalID == "" {
		return grantee{}, console.Usage("%s has no system identity: run '%s'", console.Last(path), remedy)
	}
	return grantee{v.Identity.PrincipalID, console.Short(path)}, nil
}

// assign gives a role and says so; who has it already keeps it.
func (g grants) assign(scope string, who grantee, what role) error {
	body := map[string]any{"properties": map[string]any{
		"roleDefinitionId": scope + "/providers/Microsoft.Authorization/roleDefinitions/" + what.id,
		"principalId":      who.id, "principalType": "ServicePrincipal"}}
	path := scope + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()
	_, err := g.c.Call(g.ctx, http.MethodPut, path, roleVersion, body)
	var e *client.Error
	switch {
	case errors.As(err, &e) && e.Code == "RoleAssignmentExists":
		g.c.Say("%s has %s over %s already", who.name, what.name, console.Short(scope))
		return nil
	case err == nil:
		g.c.Say("%s was given %s over %s", who.name, what.name, console.Short(scope))
	}
	return err
}

// idsOf finds the cluster and the snapshot resource group of an instance.
func idsOf(props map[string]any) (cluster, group string) {
	raw, err := json.Marshal(props)
	if err != nil {
		return "", ""
	}
	var p struct {
		DataSourceInfo struct {
			ResourceID string `json:"resourceID"`
		} `json:"dataSourceInfo"`
		PolicyInfo struct {
			PolicyParameters struct {
				DataStoreParametersList []struct {
					ResourceGroupID string `json:"resourceGroupId"`
				} `json:"dataStoreParametersList"`
			} `json:"policyParameters"`
		} `json:"policyInfo"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return "", ""
	}
	for _, s := range p.PolicyInfo.PolicyParameters.DataStoreParametersList {
		group = s.ResourceGroupID
	}
	return p.DataSourceInfo.ResourceID, group
}
