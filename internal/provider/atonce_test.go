package provider_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// counted counts the transactions of requests.
type counted struct {
	catalog.Store
	reads, changes atomic.Int64
}

func (c *counted) View(ctx context.Context, fn func(catalog.Tx) error) error {
	c.reads.Add(1)
	return c.Store.View(ctx, fn)
}

func (c *counted) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	c.changes.Add(1)
	return c.Store.Update(ctx, fn)
}

// TestTwoRequestsAtOnceAreOneAfterTheOther: each that changes an instance decides and
// writes in one transaction and has looked at nothing before, so the table of states
// tells what becomes of two at once, in either order.
func TestTwoRequestsAtOnceAreOneAfterTheOther(t *testing.T) {
	t.Parallel()
	changed := strings.Replace(testdata(t, "instance.json"), `["test"]`, `["test","more"]`, 1)
	restore := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(testdata(t, "restore.json")), `{"restoreRequestObject":`), "}")
	for _, c := range []struct{ method, path, body string }{
		{"PUT", at, changed}, {"POST", at + "/stopProtection", ""}, {"POST", at + "/suspendBackups", ""}, {"POST", at + "/resumeProtection", ""},
		{"POST", at + "/resumeBackups", ""}, {"POST", at + "/backup", backupBody}, {"POST", at + "/restore", restore},
		{"DELETE", at, ""}, {"POST", at + "/sync", ""}, {"POST", deletedAt + "/undelete", ""},
	} {
		t.Run(c.method+" "+strings.TrimPrefix(c.path, vaultAt), func(t *testing.T) {
			t.Parallel()
			w := instanceIn(t, backup.ProtectionConfigured, backup.StateSucceeded)
			if strings.HasPrefix(c.path, deletedAt) {
				w.update(func(tx catalog.Tx) error {
					i, err := inventory.Instances.Get(tx, at)
					if err != nil {
						return err
					}
					i.Deletion = &backup.Deletion{KeepDays: 14}
					if err := inventory.Deleted.Put(tx, i.SoftDeleted(w.clock.Now())); err != nil {
						return err
					}
					return inventory.Instances.Delete(tx, at)
				})
			}
			w.count.reads.Store(0)
			w.count.changes.Store(0)
			if a := w.do("owner", c.method, c.path, c.body); a.StatusCode >= 300 {
				t.Fatalf("%d %s", a.StatusCode, a.raw)
			}
			if r, u := w.count.reads.Load(), w.count.changes.Load(); r != 0 || u != 1 {
				t.Errorf("%d transactions that read, %d that change", r, u)
			}
		})
	}
}
