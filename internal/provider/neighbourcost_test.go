package provider

import (
	"context"
	"fmt"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/inventory"
)

// reading counts the documents that a transaction is given in lists.
type reading struct {
	catalog.Tx
	listed int
}

func (r *reading) List(q catalog.Query) ([]catalog.Document, error) {
	docs, err := r.Tx.List(q)
	r.listed += len(docs)
	return docs, err
}

func neighbour(n int, cluster string) *backup.Instance {
	const vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
	return &backup.Instance{Meta: backup.Meta{ID: fmt.Sprintf("%s/backupInstances/i%03d", vault, n)},
		Datasource: backup.Datasource{ID: cluster}, PolicyID: vault + "/backupPolicies/p"}
}

// To protect a cluster with a policy reads what protects it with that policy
// already, and nothing of the others in the vault.
func TestNeighboursAreLookedUp(t *testing.T) {
	const others = 200
	err := catalogtest.NewMemory().Update(context.Background(), func(tx catalog.Tx) error {
		count := &reading{Tx: tx}
		for n := range others {
			i := neighbour(n, fmt.Sprintf("cluster-%03d", n))
			if err := checkNeighbours(count, i, true); err != nil {
				return err
			}
			if err := inventory.Instances.Put(tx, i); err != nil {
				return err
			}
		}
		if count.listed != 0 {
			t.Errorf("%d documents were read to add %d to each other", count.listed, others)
		}
		if err := checkNeighbours(count, neighbour(others, "CLUSTER-007"), true); err == nil || count.listed != 1 {
			t.Errorf("a second one of the same cluster and policy: %v after reading %d", err, count.listed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
