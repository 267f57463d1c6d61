package inventory

import (
	"errors"
	"strings"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// clusterLabels has clusters found by the Kubernetes cluster they stand for.
func clusterLabels(c *backup.Cluster) map[string]string {
	if c.UID == "" {
		return nil
	}
	return map[string]string{LabelUID: strings.ToLower(c.UID)}
}

// ConnectedAs lists the resources but the one named that stand for the Kubernetes
// cluster with that uid and whose connector may call.
func ConnectedAs(tx catalog.Tx, uid, but string) ([]backup.Cluster, error) {
	if uid == "" {
		return nil, nil
	}
	all, err := Clusters.With(tx, LabelUID, strings.ToLower(uid))
	if err != nil {
		return nil, err
	}
	var found []backup.Cluster
	for _, c := range all {
		connector, err := optional(Connections.Get(tx, backup.ConnectionID(c.ID, backup.RoleConnector)))
		if err != nil {
			return nil, err
		}
		if !backup.SameID(c.ID, but) && connector != nil && connector.Ended == nil {
			found = append(found, c)
		}
	}
	return found, nil
}

// EndConnections has the programs of a cluster turned away from now on, and says
// why. Those that are turned away already keep their reason. Its extension counts
// as failed, so that it is installed again when it is declared again.
func EndConnections(tx catalog.Tx, clusterID string, why *backup.Problem) error {
	err := eachConnection(tx, clusterID, func(c *backup.Connection) bool {
		if c.Ended != nil {
			return false
		}
		c.Ended = why
		return true
	})
	if err != nil {
		return err
	}
	extensions, err := Extensions.Below(tx, clusterID)
	if err != nil {
		return err
	}
	for i := range extensions {
		e := &extensions[i]
		if !e.State.Terminal() || e.State == backup.StateFailed {
			continue
		}
		e.State, e.Problem = backup.StateFailed, why
		if err := Extensions.Put(tx, e); err != nil {
			return err
		}
	}
	return nil
}

// AdmitConnections takes EndConnections back.
func AdmitConnections(tx catalog.Tx, clusterID string) error {
	return eachConnection(tx, clusterID, func(c *backup.Connection) bool {
		ended := c.Ended != nil
		c.Ended = nil
		return ended
	})
}

// eachConnection writes those of a cluster's connections that change says to have changed.
func eachConnection(tx catalog.Tx, clusterID string, change func(*backup.Connection) bool) error {
	var errs []error
	for _, role := range []string{backup.RoleConnector, backup.RoleExtension} {
		c, err := optional(Connections.Get(tx, backup.ConnectionID(clusterID, role)))
		if err == nil && c != nil && change(c) {
			err = Connections.Put(tx, c)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
