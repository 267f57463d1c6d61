package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/test/postgres"
)

// open returns a migrated database in a fresh file.
func open(t *testing.T, path string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.OpenSQLite(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func none(context.Context, *sqlstore.Transaction, catalog.Job) error { return nil }

func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

// openPostgres returns a migrated database on a real server.
func openPostgres(t *testing.T, url string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.OpenPostgres(t.Context(), url, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Alone(t.Context(), db.Migrate); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestPostgres(t *testing.T) {
	catalogtest.Run(t, func(t *testing.T) catalog.Store {
		return sqlstore.New(openPostgres(t, postgres.Database(t)), none)
	})
}

func TestSQLite(t *testing.T) {
	catalogtest.Run(t, func(t *testing.T) catalog.Store {
		return sqlstore.New(open(t, filepath.Join(t.TempDir(), "c.db")), none)
	})
}

func TestMigrateTwice(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "c.db"))
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A path with the characters that mean something in a URL is still a path.
func TestReopenUnderAnOddPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20.db")
	first := open(t, path)
	put := func(tx catalog.Tx) error {
		_, err := tx.Put(catalog.Document{Kind: "k", ID: "i", Body: []byte(`{}`)}, "")
		return err
	}
	if err := sqlstore.New(first, none).Update(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	err := sqlstore.New(open(t, path), none).View(t.Context(), func(tx catalog.Tx) error {
		_, err := tx.Get("k", "i")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Two processes on one file wait for each other instead of failing.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	stores := []*sqlstore.Store{sqlstore.New(open(t, path), none), sqlstore.New(open(t, path), none)}
	failures := make(chan error, len(stores))
	for _, store := range stores {
		go func() {
			var failure error
			for range 20 {
				failure = errors.Join(failure, store.Update(t.Context(), func(tx catalog.Tx) error {
					_, err := tx.Put(catalog.Document{Kind: "k", ID: "i", Body: []byte(`{}`)}, "")
					return err
				}))
			}
			failures <- failure
		}()
	}
	for range stores {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

func TestEnqueueFailureRollsBack(t *testing.T) {
	stop := errors.New("queue is closed")
	store := sqlstore.New(open(t, filepath.Join(t.TempDir(), "c.db")), func(context.Context, *sqlstore.Transaction, catalog.Job) error { return stop })
	err := store.Update(t.Context(), func(tx catalog.Tx) error {
		if _, err := tx.Put(catalog.Document{Kind: "k", ID: "i", Body: []byte(`{}`)}, ""); err != nil {
			return err
		}
		return tx.Enqueue(catalog.Job{Kind: "j", Args: []byte(`{}`)})
	})
	if !errors.Is(err, stop) {
		t.Fatalf("Update = %v, want %v", err, stop)
	}
	err = store.View(t.Context(), func(tx catalog.Tx) error { _, err := tx.Get("k", "i"); return err })
	if !errors.Is(err, catalog.ErrNotFound) {
		t.Fatalf("Get = %v, want not found", err)
	}
}

// A name is one process's at a time: until it is released, or its session is gone.
func TestClaim(t *testing.T) {
	url := postgres.Database(t)
	one, two := openPostgres(t, url), openPostgres(t, url)
	claim := func(db *sqlstore.DB, name string) (func(), bool) {
		t.Helper()
		release, ok, err := db.Claim(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return release, ok
	}
	release, ok := claim(one, "a")
	if _, other := claim(two, "a"); !ok || other {
		t.Fatalf("a is claimed by one: %v, by another as well: %v", ok, other)
	}
	if free, ok := claim(two, "b"); !ok {
		t.Error("b is not free")
	} else {
		free()
	}
	release()
	if _, ok := claim(two, "a"); !ok {
		t.Fatal("a was released and is not free")
	}
	// The end of a session, as by the end of its process, is found out in time.
	if _, err := one.Write.Exec(`SELECT pg_terminate_backend(pid, 30000) FROM pg_locks WHERE locktype = 'advisory'`); err != nil {
		t.Fatal(err)
	}
	again, ok := claim(one, "a")
	if !ok {
		t.Fatal("the session that claimed a has ended, and a is not free")
	}
	again()
	local := open(t, filepath.Join(t.TempDir(), "c.db"))
	if free, ok := claim(local, "a"); !ok {
		t.Error("a SQLite file belongs to one process")
	} else {
		free()
	}
}
