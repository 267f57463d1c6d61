package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/inventory"
)

var errFull = errors.New("full")

// counting counts the documents that a transaction reads in lists.
type counting struct {
	catalog.Tx
	listed *int
}

func (c counting) List(q catalog.Query) ([]catalog.Document, error) {
	docs, err := c.Tx.List(q)
	*c.listed += len(docs)
	return docs, err
}

// crowd adds and removes instances of a vault, as the doors do.
type crowd struct {
	t      *testing.T
	store  catalog.Store
	vault  string
	listed int // documents read on the way
}

func (c *crowd) id(n int) string { return fmt.Sprintf("%s/backupInstances/i%03d", c.vault, n) }

func (c *crowd) add(n, limit int) bool {
	c.t.Helper()
	err := c.store.Update(context.Background(), func(tx catalog.Tx) error {
		ok, err := inventory.TakeRoom(counting{tx, &c.listed}, c.vault, limit)
		if err == nil && !ok {
			err = errFull
		}
		return errors.Join(err, inventory.Instances.Put(tx, &backup.Instance{Meta: backup.Meta{ID: c.id(n)}}))
	})
	if err != nil && !errors.Is(err, errFull) {
		c.t.Fatal(err)
	}
	return err == nil
}

func (c *crowd) remove(n int) {
	c.t.Helper()
	err := c.store.Update(context.Background(), func(tx catalog.Tx) error { return inventory.Instances.Delete(tx, c.id(n)) })
	if err != nil {
		c.t.Fatal(err)
	}
}

// A vault takes its number of instances and no more, whatever came and went, and
// one more costs nothing of those that are there.
func TestRoom(t *testing.T) {
	const limit = 20
	store := catalogtest.NewMemory()
	for _, vault := range []string{"/vaults/a", "/vaults/ab"} { // neither counts the other's
		c := &crowd{t: t, store: store, vault: vault}
		for n := range limit {
			if !c.add(n, limit) {
				t.Fatalf("%s: no room for %d", vault, n)
			}
		}
		if c.listed != 0 {
			t.Errorf("%s: %d instances were read to add %d", vault, c.listed, limit)
		}
		for range 2 {
			if c.add(limit, limit) {
				t.Fatalf("%s: room for more than %d", vault, limit)
			}
		}
		c.remove(3)
		c.remove(4)
		if !c.add(limit, limit) || !c.add(3, limit) || c.add(4, limit) {
			t.Errorf("%s: two have gone, and there was not room for just two", vault)
		}
		if !c.add(4, limit+5) {
			t.Errorf("%s: no room under a wider limit", vault)
		}
	}
}

// Instances that were there before bounds were kept, or came without being
// counted as by a rebuilt catalog, are found.
func TestRoomOfAnOldVault(t *testing.T) {
	const limit = 5
	c := &crowd{t: t, store: catalogtest.NewMemory(), vault: "/vaults/old"}
	err := c.store.Update(context.Background(), func(tx catalog.Tx) (err error) {
		for n := range limit - 1 {
			err = errors.Join(err, inventory.Instances.Put(tx, &backup.Instance{Meta: backup.Meta{ID: c.id(n)}}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !c.add(limit, limit) || c.add(limit+1, limit) {
		t.Error("those before are not counted")
	}
}
