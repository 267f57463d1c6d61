package instance

import "holdfast.dev/holdfast/internal/cli/console"

// The roles of a restore through a staging storage account.
var (
	accountContributor  = role{"17d1049b-9a84-46fb-8f53-869881c3d3ab", "Storage Account Contributor"}
	blobDataOwner       = role{"b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "Storage Blob Data Owner"}
	blobDataContributor = role{"ba92f5b4-2d11-453d-a403-e96b0029c9fe", "Storage Blob Data Contributor"}
)

// giveStaging lets the vault write to and delete from the staging account of a
// restore, and the extension of the target cluster read there. A request without one
// needs nothing.
func (g grants) giveStaging(cluster string, target map[string]any) error {
	group, account := stagingOf(target)
	if group == "" || account == "" {
		return nil // with one of both the service says what is wrong
	}
	vaultID, err := g.vaultIdentity()
	if err != nil {
		return err
	}
	extension, err := g.extensionIdentity(cluster)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		scope string
		who   grantee
		what  role
	}{
		{group, vaultID, contributor}, {account, vaultID, accountContributor}, {account, vaultID, blobDataOwner},
		{account, extension, blobDataContributor},
	} {
		if err := g.assign(one.scope, one.who, one.what); err != nil {
			return err
		}
	}
	return nil
}

// stagingOf finds the places in a restore request.
func stagingOf(target map[string]any) (group, account string) {
	list, _ := target["restoreCriteria"].([]any)
	if len(list) == 0 {
		return "", ""
	}
	criteria, _ := list[0].(map[string]any)
	group, _ = criteria["stagingResourceGroupId"].(string)
	account, _ = criteria["stagingStorageAccountId"].(string)
	return group, account
}

// extensionIdentity is the identity of a cluster's backup extension.
func (g grants) extensionIdentity(cluster string) (grantee, error) {
	id, err := g.ofExtension(cluster, "an identity", func(e extension) string { return e.AKSAssignedIdentity.PrincipalID })
	return grantee{id, "the extension of " + console.Short(cluster)}, err
}
