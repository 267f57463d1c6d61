package jobs_test

import (
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/test/postgres"
)

// Documents and work commit together when the catalog enqueues into this queue.
func TestWorkCommitsWithDocuments(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		workCommits(t, func(t *testing.T) *sqlstore.DB { return openDB(t, filepath.Join(t.TempDir(), "c.db")) },
			`SELECT args ->> '$.name', json(args -> '$.args') FROM river_job`)
	})
	t.Run("postgres", func(t *testing.T) {
		workCommits(t, func(t *testing.T) *sqlstore.DB { return openPostgres(t, postgres.Database(t)) },
			`SELECT args ->> 'name', replace(args ->> 'args', ' ', '') FROM river_job`)
	})
}

func workCommits(t *testing.T, open func(*testing.T) *sqlstore.DB, query string) {
	catalogtest.RunJobs(t, func(t *testing.T) (catalog.Store, func() []catalog.Job) {
		db := open(t)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		queue, err := jobs.NewQueue(db)
		if err != nil {
			t.Fatal(err)
		}
		return sqlstore.New(db, queue.Enqueue), func() []catalog.Job { return waitingJobs(t, db, query) }
	})
}

func waitingJobs(t *testing.T, db *sqlstore.DB, query string) (waiting []catalog.Job) {
	t.Helper()
	rows, err := db.Read.Query(query + ` WHERE state IN ('available', 'scheduled')`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var job catalog.Job
		if err := rows.Scan(&job.Kind, (*[]byte)(&job.Args)); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, job)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return waiting
}
