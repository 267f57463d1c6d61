package catalogtest

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
)

func rollback(t *testing.T, store catalog.Store) {
	stop := errors.New("stop")
	err := store.Update(t.Context(), func(tx catalog.Tx) error {
		if _, err := tx.Put(thing("a"), ""); err != nil {
			return err
		}
		if _, err := tx.Get("thing", "a"); err != nil {
			t.Errorf("a transaction does not see its own write: %v", err)
		}
		return stop
	})
	if err != stop { //nolint:errorlint // the contract promises the error as it is
		t.Fatalf("Update = %v, want the function's own error", err)
	}
	_, err = get(t, store, "thing", "a")
	wantErr(t, err, catalog.ErrNotFound)
}

func rollbackOnPanic(t *testing.T, store catalog.Store) {
	func() {
		defer func() { _ = recover() }()
		_ = store.Update(t.Context(), func(tx catalog.Tx) error {
			if _, err := tx.Put(thing("a"), ""); err != nil {
				return err
			}
			panic("stop")
		})
	}()
	_, err := get(t, store, "thing", "a")
	wantErr(t, err, catalog.ErrNotFound)
	mustPut(t, store, thing("b"))
}

func readOnlyView(t *testing.T, store catalog.Store) {
	mustPut(t, store, thing("a"))
	changes := map[string]func(catalog.Tx) error{
		"Put":     func(tx catalog.Tx) error { _, err := tx.Put(thing("b"), ""); return err },
		"Delete":  func(tx catalog.Tx) error { return tx.Delete("thing", "a", "") },
		"Enqueue": func(tx catalog.Tx) error { return tx.Enqueue(catalog.Job{Kind: "x", Args: json.RawMessage(`{}`)}) },
	}
	for name, change := range changes {
		if err := store.View(t.Context(), change); !errors.Is(err, catalog.ErrReadOnly) {
			t.Errorf("%s in a view: %v, want %v", name, err, catalog.ErrReadOnly)
		}
	}
}

func consistentView(t *testing.T, store catalog.Store) {
	mustPut(t, store, thing("a"))
	err := store.View(t.Context(), func(tx catalog.Tx) error {
		if _, err := tx.Get("thing", "a"); err != nil {
			return err
		}
		mustPut(t, store, thing("b"))
		if _, err := tx.Get("thing", "b"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("a view saw a later write: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func cancelled(t *testing.T, store catalog.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := store.Update(ctx, func(tx catalog.Tx) error { _, err := tx.Put(thing("a"), ""); return err })
	wantErr(t, err, context.Canceled)
	_, err = get(t, store, "thing", "a")
	wantErr(t, err, catalog.ErrNotFound)
}

// serialisable lets many writers read, add one and write back.
func serialisable(t *testing.T, store catalog.Store) {
	const writers, rounds = 8, 10
	mustPut(t, store, catalog.Document{Kind: "counter", ID: "c", Body: json.RawMessage(`0`)})
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range rounds {
				if err := store.Update(t.Context(), addOne); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	got, err := get(t, store, "counter", "c")
	if err != nil || string(got.Body) != strconv.Itoa(writers*rounds) {
		t.Fatalf("counter = %s (%v), want %d", got.Body, err, writers*rounds)
	}
}

func addOne(tx catalog.Tx) error {
	doc, err := tx.Get("counter", "c")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(doc.Body))
	if err != nil {
		return err
	}
	doc.Body = json.RawMessage(strconv.Itoa(n + 1))
	_, err = tx.Put(doc, doc.ETag)
	return err
}

func oneCreator(t *testing.T, store catalog.Store) {
	var group sync.WaitGroup
	var won atomic.Int64
	for range 8 {
		group.Go(func() {
			if _, err := put(t, store, thing("a"), catalog.IfAbsent); err == nil {
				won.Add(1)
			} else if !errors.Is(err, catalog.ErrConflict) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d creators won, want 1", won.Load())
	}
}

// bigReader lets one read everything and write, while many write little. It must
// come through, and see what is there when it does.
func bigReader(t *testing.T, store catalog.Store) {
	update(t, store, func(tx catalog.Tx) error {
		for i := range 100 {
			if _, err := tx.Put(catalog.Document{Kind: "counter", ID: strconv.Itoa(i), Body: json.RawMessage(`0`)}, ""); err != nil {
				return err
			}
		}
		return nil
	})
	stop := make(chan struct{})
	var group sync.WaitGroup
	for writer := range 6 {
		group.Go(func() {
			for i := writer; ; i = (i + 7) % 100 {
				select {
				case <-stop:
					return
				default:
				}
				err := store.Update(t.Context(), func(tx catalog.Tx) error {
					if _, err := tx.Get("sum", "s"); err != nil && !errors.Is(err, catalog.ErrNotFound) {
						return err
					}
					_, err := tx.Put(catalog.Document{Kind: "counter", ID: strconv.Itoa(i), Body: json.RawMessage(`1`)}, "")
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 10 {
		update(t, store, func(tx catalog.Tx) error {
			docs, err := tx.List(catalog.Query{Kind: "counter"})
			if err != nil {
				return err
			}
			_, err = tx.Put(catalog.Document{Kind: "sum", ID: "s", Body: json.RawMessage(strconv.Itoa(len(docs)))}, "")
			return err
		})
	}
	close(stop)
	group.Wait()
}
