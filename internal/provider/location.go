package provider

import (
	"context"
	"errors"
	"time"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// checkLocation makes sure that the backup storage location of an extension
// can hold backups of its cluster, and says whether it is empty.
func (p *Provider) checkLocation(ctx context.Context, r *arm.Request, e *backup.Extension) (empty bool, err error) {
	id, problem := e.ContainerID()
	if problem != nil {
		return false, refuse(problem)
	}
	var account *backup.StorageAccount
	err = p.Store.View(ctx, func(tx catalog.Tx) error {
		cluster, err := parentCluster(tx, r, r.ID.Parent())
		if err != nil {
			return err
		}
		account, err = accountOf(tx, id)
		if err != nil {
			return err
		}
		return refuse(account.Suits(cluster.Location))
	})
	if err != nil {
		return false, err
	}
	return p.askBucket(ctx, account, id)
}

// accountOf reads the account of a container that must exist.
func accountOf(tx catalog.Tx, containerID string) (*backup.StorageAccount, error) {
	account, err := existing(inventory.Accounts.Get(tx, backup.AccountOfContainer(containerID)))
	if err != nil {
		return nil, err
	}
	if account == nil {
		return nil, missing("properties.configurationSettings", "storage account", backup.AccountOfContainer(containerID))
	}
	container, err := existing(inventory.Containers.Get(tx, containerID))
	if err == nil && container == nil {
		err = refuse(backup.NewProblem(backup.CodeContainerNotFound, containerID, "container %s does not exist in storage account %s",
			nameOf(containerID), account.Name()))
	}
	return account, err
}

// askBucket asks the real store whether the container is there and empty.
func (p *Provider) askBucket(ctx context.Context, account *backup.StorageAccount, containerID string) (empty bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	empty, err = p.Buckets.Empty(ctx, *account, nameOf(containerID))
	switch {
	case errors.Is(err, ErrNoContainer):
		return false, refuse(backup.NewProblem(backup.CodeContainerNotFound, containerID,
			"container %s is gone from the store of storage account %s", nameOf(containerID), account.Name()))
	case err != nil:
		return false, refuse(backup.NewProblem(backup.CodeContainerUnreachable, containerID,
			"container %s of storage account %s cannot be reached: %v", nameOf(containerID), account.Name(), err))
	default:
		return empty, nil
	}
}

// checkOtherExtensions refuses a second extension on a cluster, and a
// container that another cluster writes to.
func checkOtherExtensions(tx catalog.Tx, e *backup.Extension, cluster *backup.Cluster) error {
	onCluster, err := inventory.Extensions.Below(tx, cluster.ID)
	if err != nil {
		return err
	}
	for _, other := range onCluster {
		if !backup.SameID(other.ID, e.ID) {
			return refuse(backup.NewProblem(backup.CodeExtensionAlreadyInstalled, other.ID,
				"cluster %s has the backup extension already, as %s", cluster.Name(), other.Name()))
		}
	}
	id, _ := e.ContainerID() // checked before
	users, err := inventory.Extensions.With(tx, inventory.LabelContainer, backup.Key(id))
	if err != nil {
		return err
	}
	for i := range users {
		if other := &users[i]; !backup.SameID(other.ID, e.ID) {
			return refuse(backup.NewProblem(backup.CodeContainerShared, id,
				"container %s is the backup storage location of cluster %s", nameOf(id), nameOf(other.ClusterID())))
		}
	}
	return nil
}

// locationWarnings are the first statuses of an extension.
func locationWarnings(e *backup.Extension, empty bool, now time.Time) []backup.ExtensionStatus {
	if empty {
		return nil
	}
	id, _ := e.ContainerID() // checked before
	return []backup.ExtensionStatus{{
		Code: string(backup.CodeContainerNotEmpty), Level: "Warning", Time: arm.FormatTime(now),
		Message: "container " + nameOf(id) + " is not empty; what is in it is left untouched",
	}}
}
