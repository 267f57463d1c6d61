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

// readerRole is the id of the built-in role Reader.
const readerRole = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

const roleVersion = "2022-04-01"

// grants gives a vault's identity the roles that an operation needs, and
// nothing more.
type grants struct {
	c   *console.Console
	ctx context.Context
}

// forBackup lets the vault read the cluster and the snapshot resource group.
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
	return g.readers(cluster, group)
}

// forRestore lets the vault read the target cluster and the snapshots' group.
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
	scopes := []string{cluster}
	if snapshots != "" {
		scopes = append(scopes, snapshots)
	}
	return g.readers(scopes...)
}

func (g grants) readers(scopes ...string) error {
	principal, err := g.vaultPrincipal()
	if err != nil {
		return err
	}
	for _, scope := range scopes {
		if err := g.assign(scope, principal); err != nil {
			return err
		}
		g.c.Say("vault may read %s", scope)
	}
	return nil
}

func (g grants) vaultPrincipal() (string, error) {
	path, err := g.c.VaultPath()
	if err != nil {
		return "", err
	}
	raw, err := g.c.Get(g.ctx, path, vault.Version)
	if err != nil {
		return "", err
	}
	var v struct {
		Identity struct {
			PrincipalID string `json:"principalId"`
		} `json:"identity"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", err
	}
	if v.Identity.PrincipalID == "" {
		return "", console.Usage("the vault has no system identity: 'holdfast backup-vault update --type SystemAssigned'")
	}
	return v.Identity.PrincipalID, nil
}

func (g grants) assign(scope, principal string) error {
	body := map[string]any{"properties": map[string]any{
		"roleDefinitionId": scope + "/providers/Microsoft.Authorization/roleDefinitions/" + readerRole,
		"principalId":      principal, "principalType": "ServicePrincipal"}}
	path := scope + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()
	_, err := g.c.Call(g.ctx, http.MethodPut, path, roleVersion, body)
	var e *client.Error
	if errors.As(err, &e) && e.Code == "RoleAssignmentExists" {
		return nil
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
