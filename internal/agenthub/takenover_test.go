package agenthub_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// The connector that enrols decides as what its cluster is connected: the programs
// of the other name are turned away with the reason, until they enrol again.
func TestTakenOver(t *testing.T) {
	w := newWorld(t)
	other := strings.TrimSuffix(cluster, "/c") + "/before"
	w.update(func(tx catalog.Tx) error {
		for _, id := range []string{cluster, other} {
			if err := inventory.Clusters.Put(tx, &backup.Cluster{Meta: backup.Meta{ID: id}, UID: "u-1"}); err != nil {
				return err
			}
			for _, role := range []string{backup.RoleConnector, backup.RoleExtension} {
				c := &backup.Connection{Meta: backup.Meta{ID: backup.ConnectionID(id, role)}, Role: role, LastSeen: begin}
				if err := inventory.Connections.Put(tx, c); err != nil {
					return err
				}
			}
		}
		e := &backup.Extension{Meta: backup.Meta{ID: other + "/providers/Microsoft.KubernetesConfiguration/extensions/e", State: backup.StateSucceeded}}
		return errors.Join(inventory.Extensions.Put(tx, e), inventory.EndConnections(tx, cluster, (&backup.Cluster{Meta: backup.Meta{ID: other}}).TakenOver()))
	})
	for _, as := range []string{"connector", "extension"} {
		status, problem := w.post(as, agentv1.PathClaim, agentv1.ClaimRequest{Capability: 1}, nil)
		if status != http.StatusUnauthorized || !strings.Contains(problem.Message, "connected as "+other) {
			t.Errorf("the %s of a cluster that was taken over: %d %+v", as, status, problem)
		}
	}
	w.post("", agentv1.PathEnrol, agentv1.EnrolRequest{Token: "good", Capability: 1}, nil)
	for _, as := range []string{"connector", "extension"} {
		if status, problem := w.post(as, agentv1.PathClaim, agentv1.ClaimRequest{Capability: 1}, nil); status >= 300 {
			t.Errorf("the %s after its connector has enrolled: %d %+v", as, status, problem)
		}
	}
	w.update(func(tx catalog.Tx) error {
		e, err := inventory.Extensions.Get(tx, other+"/providers/Microsoft.KubernetesConfiguration/extensions/e")
		if err != nil || e.State != backup.StateFailed || e.Problem.Code != backup.CodeClusterDisconnected {
			t.Errorf("the extension of the other name: %+v, %v", e, err)
		}
		for _, role := range []string{backup.RoleConnector, backup.RoleExtension} {
			c, err := inventory.Connections.Get(tx, backup.ConnectionID(other, role))
			if err != nil || c.Ended == nil || !strings.Contains(c.Ended.Message, cluster) || c.Alive(begin) {
				t.Errorf("the %s of the other name: %+v, %v", role, c, err)
			}
		}
		return nil
	})
}
