package jobs_test

import (
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/jobs"
)

// Documents and work commit together when the catalog enqueues into this queue.
func TestWorkCommitsWithDocuments(t *testing.T) {
	catalogtest.RunJobs(t, func(t *testing.T) (catalog.Store, func() []catalog.Job) {
		db := openDB(t, filepath.Join(t.TempDir(), "c.db"))
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		queue, err := jobs.NewSQLiteQueue(db.Write)
		if err != nil {
			t.Fatal(err)
		}
		return sqlstore.New(db, queue.Enqueue), func() []catalog.Job { return waitingJobs(t, db) }
	})
}

func waitingJobs(t *testing.T, db *sqlstore.DB) (waiting []catalog.Job) {
	t.Helper()
	rows, err := db.Read.Query(`SELECT args ->> '$.name', json(args -> '$.args') FROM river_job WHERE state IN ('available', 'scheduled')`)
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
