package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// crowd puts instances of other clusters into the vault, as a rebuilt catalog has
// them.
func (w *world) crowd(n int) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		for k := range n {
			err := inventory.Instances.Put(tx, &backup.Instance{Meta: backup.Meta{ID: fmt.Sprintf("%s/backupInstances/crowd-%04d", vaultAt, k)},
				Datasource: backup.Datasource{ID: fmt.Sprintf("%s-%04d", secondAt, k)}, PolicyID: policyAt})
			if err != nil {
				return err
			}
		}
		return nil
	})
	w.store.TakeJobs() // their plans
}

// A vault takes as many instances as it may have, and says so to the next.
func TestVaultIsFull(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	w.crowd(backup.MaxInstancesPerVault - 1)
	w.must(201, "PUT", at, testdata(t, "instance.json"))
	w.finish()
	w.must(200, "PUT", at, testdata(t, "instance.json")) // not one more
	other := strings.ReplaceAll(testdata(t, "instance.json"), clusterAt, secondAt)
	w.refused("PUT", vaultAt+"/backupInstances/i2", other, "UserErrorMaxInstancesPerVaultReached", "another vault")
	w.update(func(tx catalog.Tx) error {
		return inventory.Instances.Delete(tx, vaultAt+"/backupInstances/crowd-0000")
	})
	if a := w.do("owner", "PUT", vaultAt+"/backupInstances/i2", other); a.code(t) == "UserErrorMaxInstancesPerVaultReached" {
		t.Errorf("one has gone: %s", a.raw)
	}
}
