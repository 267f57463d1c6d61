package service

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/inventory"
)

func TestExpiryMetrics(t *testing.T) {
	store := catalogtest.NewMemory()
	const vaults = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/"
	err := store.Update(t.Context(), func(tx catalog.Tx) error {
		for _, name := range []string{"calm", "stuck"} {
			if err := inventory.Vaults.Put(tx, &backup.Vault{Meta: backup.Meta{ID: vaults + name}}); err != nil {
				return err
			}
		}
		for name, going := range map[string]*backup.Going{"a": nil, "b": {Attempt: 1}, "c": {Attempt: 2, After: time.Unix(9, 0), Problem: &backup.Problem{Code: "Stuck"}}} {
			p := &backup.RecoveryPoint{Meta: backup.Meta{ID: vaults + "stuck/backupInstances/i/recoveryPoints/" + name},
				Stores: []backup.RecoveryStore{{Tier: backup.TierOperational, Going: going}}}
			if err := inventory.RecoveryPoints.Put(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "# HELP holdfast_expired_not_deleted Recovery points of a vault whose time is over and that their cluster could not delete.\n" +
		"# TYPE holdfast_expired_not_deleted gauge\n" +
		`holdfast_expired_not_deleted{vault="` + vaults + `calm"} 0` + "\n" +
		`holdfast_expired_not_deleted{vault="` + vaults + `stuck"} 1` + "\n"
	if err := testutil.CollectAndCompare(expiryMetrics(store, slog.New(slog.DiscardHandler)), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
