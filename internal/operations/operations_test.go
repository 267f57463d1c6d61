package operations_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/operations"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func in(t *testing.T, store catalog.Store, fn func(catalog.Tx) error) {
	t.Helper()
	if err := store.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, store catalog.Store, id string) (r operations.Record) {
	t.Helper()
	in(t, store, func(tx catalog.Tx) (err error) {
		r, err = operations.Get(tx, id)
		return err
	})
	return r
}

func start(t *testing.T, store catalog.Store, r operations.Record) (started operations.Record) {
	t.Helper()
	in(t, store, func(tx catalog.Tx) (err error) {
		started, err = operations.Start(tx, now, r)
		return err
	})
	return started
}

func TestLife(t *testing.T) {
	problem := operations.Problem{Code: "X", Message: "broke", UserError: true}
	ends := map[operations.Status]func(tx catalog.Tx, id string) error{
		operations.Succeeded: func(tx catalog.Tx, id string) error {
			return operations.Succeed(tx, now.Add(time.Minute), id, json.RawMessage(`{"a":1}`))
		},
		operations.Failed:   func(tx catalog.Tx, id string) error { return operations.Fail(tx, now.Add(time.Minute), id, problem) },
		operations.Canceled: func(tx catalog.Tx, id string) error { return operations.Cancel(tx, now.Add(time.Minute), id, problem) },
	}
	for want, end := range ends {
		store := catalogtest.NewMemory()
		r := start(t, store, operations.Record{Resource: "/subscriptions/s", Location: "west", Starter: "p"})
		if r.Status != operations.InProgress || r.Status.Terminal() || len(r.ID) != 32 || !r.Started.Equal(now) || !r.Ended.IsZero() {
			t.Fatalf("%+v", r)
		}
		in(t, store, func(tx catalog.Tx) error { return operations.Progress(tx, r.ID, operations.JobInfo("/j")) })
		in(t, store, func(tx catalog.Tx) error { return end(tx, r.ID) })
		got := get(t, store, r.ID)
		if got.Status != want || !got.Status.Terminal() || got.Ended != now.Add(time.Minute) || string(got.Properties) != `{"objectType":"OperationJobExtendedInfo","jobId":"/j"}` {
			t.Errorf("%+v", got)
		}
		if (got.Problem != nil) != (want != operations.Succeeded) || (string(got.Result) == `{"a":1}`) != (want == operations.Succeeded) {
			t.Errorf("%+v", got)
		}
		// Whatever comes later changes nothing: a step that is repeated after a crash.
		for _, later := range ends {
			in(t, store, func(tx catalog.Tx) error { return later(tx, r.ID) })
		}
		in(t, store, func(tx catalog.Tx) error { return operations.Progress(tx, r.ID, nil) })
		if again := get(t, store, r.ID); fmt.Sprint(again) == "" || again.Status != want || string(again.Properties) == "" {
			t.Errorf("after the end: %+v", again)
		}
	}
}

func TestStartIsIdempotentByID(t *testing.T) {
	store := catalogtest.NewMemory()
	start(t, store, operations.Record{ID: "Mine", Resource: "/a"})
	in(t, store, func(tx catalog.Tx) error { return operations.Succeed(tx, now, "mine", nil) })
	if again := start(t, store, operations.Record{ID: "mine", Resource: "/b"}); again.Resource != "/a" || again.Status != operations.Succeeded {
		t.Errorf("%+v", again)
	}
}

func TestStartDone(t *testing.T) {
	store := catalogtest.NewMemory()
	var r operations.Record
	in(t, store, func(tx catalog.Tx) (err error) {
		r, err = operations.StartDone(tx, now, operations.Record{ID: "a", Result: json.RawMessage(`1`)})
		return err
	})
	if r.Status != operations.Succeeded || string(r.Result) != "1" || r.Ended != now {
		t.Errorf("%+v", r)
	}
	in(t, store, func(tx catalog.Tx) (err error) {
		r, err = operations.StartDone(tx, now.Add(time.Hour), operations.Record{ID: "a"})
		return err
	})
	if r.Ended != now {
		t.Errorf("done twice: %+v", r)
	}
}

func TestUnknown(t *testing.T) {
	err := catalogtest.NewMemory().Update(context.Background(), func(tx catalog.Tx) error { return operations.Succeed(tx, now, "x", nil) })
	if !errors.Is(err, catalog.ErrNotFound) {
		t.Error(err)
	}
}

func TestPrune(t *testing.T) {
	store := catalogtest.NewMemory()
	for i := range 1005 {
		r := start(t, store, operations.Record{ID: fmt.Sprintf("op%04d", i)})
		if i%5 != 0 {
			in(t, store, func(tx catalog.Tx) error {
				return operations.Succeed(tx, now.Add(time.Duration(i%2)*time.Hour), r.ID, nil)
			})
		}
	}
	batches := 0
	for after, next := "", ""; batches == 0 || after != ""; batches++ {
		in(t, store, func(tx catalog.Tx) (err error) {
			next, err = operations.Prune(tx, now.Add(time.Minute), after)
			return err
		})
		after = next
	}
	kept := map[int]bool{}
	for i := range 1005 {
		in(t, store, func(tx catalog.Tx) error {
			r, err := operations.Get(tx, fmt.Sprintf("op%04d", i))
			if errors.Is(err, catalog.ErrNotFound) {
				return nil
			}
			kept[i] = true
			if r.Status.Terminal() && r.Ended.Before(now.Add(time.Minute)) {
				t.Errorf("%s was left", r.ID)
			}
			return err
		})
	}
	if left := len(kept); batches != 2 || left != 201+402 {
		t.Errorf("%d batches, %d left", batches, left)
	}
}
