package workflow

import (
	"errors"
	"strconv"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// keepsake is what a recovery point's manifest is to keep of the catalog.
func (t *turn) keepsake(job *backup.Job, instance *backup.Instance, containerID string) (string, error) {
	k := backup.Keepsake{Instance: *instance, JobID: job.ID, Tag: job.Tag, Tagging: job.Tagging, ContainerID: containerID}
	vault, err := inventory.Vaults.Get(t.tx, instance.VaultID())
	if err != nil {
		return "", err
	}
	k.Vault = *vault
	if k.UserIdentity, err = inventory.IdentityOf(t.tx, instance); err != nil {
		return "", err
	}
	policy, err := inventory.Policies.Get(t.tx, job.PolicyID)
	switch {
	case err == nil:
		k.Policy = policy
	case !errors.Is(err, catalog.ErrNotFound): // gone meanwhile: its recovery points are kept
		return "", err
	}
	return k.Encode()
}

// What a rebuilt catalog must have as it was made here.

// VaultKeyName names the data key of an instance's repository in the vault.
func VaultKeyName(uid string) string { return vaultKeyName(uid) }

// StoreID is the GUID of a recovery point's place in a tier.
func StoreID(pointID string, tier backup.Tier) string { return guidOf(pointID, string(tier)) }

// TagVersion is the version of a tag that was given at a moment.
func TagVersion(at time.Time) string { return strconv.FormatInt(ticks(at), 10) }
