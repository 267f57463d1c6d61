// Package catalogtest is the suite that every catalog.Store must pass, and an
// in-memory store that passes it.
package catalogtest

import (
	"encoding/json"
	"errors"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
)

// Run checks every promise of catalog.Store. Open returns a new, empty store.
func Run(t *testing.T, open func(t *testing.T) catalog.Store) {
	cases := map[string]func(*testing.T, catalog.Store){
		"get returns what was put":                 getWhatWasPut,
		"etag changes with every put":              etagChanges,
		"if-absent refuses an existing document":   ifAbsent,
		"if-match refuses another etag":            ifMatch,
		"delete removes under its condition":       deleteDocument,
		"a document made again has a new etag":     newETagAfterDelete,
		"documents beyond the bounds are refused":  refuseBadDocuments,
		"stored bytes are apart from the caller's": noAliasing,
		"list orders, pages and filters":           list,
		"labels follow the last put":               labelsFollow,
		"list never answers more than a page":      fullPage,
		"an error rolls back":                      rollback,
		"a panic rolls back":                       rollbackOnPanic,
		"a view is read-only":                      readOnlyView,
		"a view is one moment":                     consistentView,
		"a cancelled context does nothing":         cancelled,
		"updates are serialisable":                 serialisable,
		"of racing creators one wins":              oneCreator,
		"one that reads much comes through":        bigReader,
	}
	for name, check := range cases {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

// RunJobs checks that work commits with its documents. Open returns a new
// store and a function that lists the jobs waiting.
func RunJobs(t *testing.T, open func(t *testing.T) (catalog.Store, func() []catalog.Job)) {
	t.Run("a job is enqueued with the commit", func(t *testing.T) {
		store, jobs := open(t)
		update(t, store, func(tx catalog.Tx) error {
			return tx.Enqueue(catalog.Job{Kind: "backup", Args: json.RawMessage(`{"a":1}`)})
		})
		if got := jobs(); len(got) != 1 || got[0].Kind != "backup" || string(got[0].Args) != `{"a":1}` {
			t.Fatalf("jobs = %+v, want the one backup", got)
		}
	})
	t.Run("a job vanishes with a rollback", func(t *testing.T) {
		store, jobs := open(t)
		stop := errors.New("stop")
		err := store.Update(t.Context(), func(tx catalog.Tx) error {
			return errors.Join(tx.Enqueue(catalog.Job{Kind: "backup", Args: json.RawMessage(`{}`)}), stop)
		})
		if !errors.Is(err, stop) {
			t.Fatalf("Update = %v, want the function's error", err)
		}
		if got := jobs(); len(got) != 0 {
			t.Fatalf("jobs = %+v, want none", got)
		}
	})
	t.Run("a unique job waits once", func(t *testing.T) {
		store, jobs := open(t)
		for _, key := range []string{"x", "x", "y"} {
			update(t, store, func(tx catalog.Tx) error {
				return tx.Enqueue(catalog.Job{Kind: "backup", Args: json.RawMessage(`{}`), UniqueKey: key})
			})
		}
		if got := jobs(); len(got) != 2 {
			t.Fatalf("%d jobs wait, want 2: %+v", len(got), got)
		}
	})
}
