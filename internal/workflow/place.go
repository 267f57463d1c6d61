package workflow

import (
	"context"
	"errors"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
)

// prefixOf is where the repository of an instance lies in its container.
func prefixOf(uid string) string { return OperationalPrefix(uid) }

// OperationalPrefix is where the repository of an instance lies in its container.
func OperationalPrefix(uid string) string { return "repositories/" + uid + "/" }

// locate returns where a container really lies. Its key must stay in memory.
func (w *Workflow) locate(ctx context.Context, containerID string) (agentv1.StorageLocation, error) {
	var account *backup.StorageAccount
	err := w.Store.View(ctx, func(tx catalog.Tx) (err error) {
		account, err = inventory.Accounts.Get(tx, backup.AccountOfContainer(containerID))
		return err
	})
	if errors.Is(err, catalog.ErrNotFound) {
		return agentv1.StorageLocation{}, backup.NewProblem(backup.CodeNoDefaultLocation, containerID, "the storage account of container %s does not exist", containerID)
	}
	if err != nil {
		return agentv1.StorageLocation{}, err
	}
	key, err := w.Secrets.Open(ctx, account.KeyOwner(), account.Store.Key)
	container := backup.Container{Meta: backup.Meta{ID: containerID}}
	return agentv1.StorageLocation{
		URL: account.ContainerURL(w.StorageRoot, container.Name()), Account: account.Store.AccountName, Key: key,
	}, err
}

// prepare makes sure that the backup storage location of an instance's
// cluster can be reached, and that the instance has a repository key whose
// wrapped form lies in it. What is wrong with the location is a *backup.Problem.
func (w *Workflow) prepare(ctx context.Context, i *backup.Instance) error {
	containerID, at, err := w.locationOf(ctx, i.Datasource.ID)
	if err != nil {
		return err
	}
	if err := probe(ctx, containerID, at); err != nil {
		return err
	}
	if err := w.remember(ctx, i, containerID); err != nil {
		return err
	}
	if _, err := w.Keys.Ensure(ctx, i.UID); err != nil {
		return err
	}
	bucket, err := location.Open(ctx, location.Location(at))
	if err != nil {
		return unreachable(containerID, err)
	}
	if err := w.Keys.Publish(ctx, i.UID, objstore.Sub(bucket, prefixOf(i.UID))); err != nil {
		return unreachable(containerID, err)
	}
	return nil
}

// locationOf returns the backup storage location of a cluster.
func (w *Workflow) locationOf(ctx context.Context, clusterID string) (containerID string, at agentv1.StorageLocation, err error) {
	err = w.Store.View(ctx, func(tx catalog.Tx) (err error) {
		containerID, err = containerOf(tx, clusterID)
		return err
	})
	if err == nil {
		at, err = w.locate(ctx, containerID)
	}
	return containerID, at, err
}

// containerOf returns the id of the container of a cluster's extension.
func containerOf(tx catalog.Tx, clusterID string) (string, error) {
	extension, err := inventory.ExtensionOf(tx, clusterID)
	if err != nil {
		return "", err
	}
	if extension == nil {
		return "", backup.NewProblem(backup.CodeExtensionNotFound, clusterID, "the backup extension is not installed on cluster %s", clusterID)
	}
	id, problem := extension.ContainerID()
	if problem != nil {
		return "", problem
	}
	return id, nil
}

func probe(ctx context.Context, containerID string, at agentv1.StorageLocation) error {
	state, err := location.Probe(ctx, location.Location(at))
	switch {
	case err != nil:
		return unreachable(containerID, err)
	case !state.Exists:
		return backup.NewProblem(backup.CodeContainerNotFound, containerID, "the container %s does not exist in its store", containerID)
	default:
		return nil
	}
}

// try makes sure that the store keeps the promises that repositories rest on.
// It writes, so it is asked before an instance is protected, not at each backup.
func try(ctx context.Context, containerID string, at agentv1.StorageLocation) error {
	if err := location.Check(ctx, location.Location(at)); err != nil {
		return unreachable(containerID, err)
	}
	return nil
}

// unreachable makes a problem of a store's error. The context's end is not
// the store's fault and stays an error.
func unreachable(containerID string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return backup.NewProblem(backup.CodeContainerUnreachable, containerID, "the container %s cannot be used: %v", containerID, err)
}
