package jobs_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/test/postgres"
)

// victim names, in the environment, the database on which this program works
// as the process to be killed.
const victim = "JOBS_TEST_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		beVictim(path)
	}
	os.Exit(postgres.Main(m))
}

// beVictim takes a job and never ends it.
func beVictim(path string) {
	db, err := sqlstore.OpenSQLite(path)
	running := path + ".running"
	if url, at, server := strings.Cut(path, " "); server {
		db, err = sqlstore.OpenPostgres(context.Background(), url, 0)
		running = at
	}
	if err != nil {
		panic(err)
	}
	engine, err := jobs.NewEngine(db, clock.System{}, slog.Default(), jobs.Handler{
		Kind: "k",
		Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
			_ = os.WriteFile(running, nil, 0o600)
			select {}
		},
	})
	if err != nil {
		panic(err)
	}
	panic(engine.Run(context.Background()))
}

// A job that ran when its process was killed is taken up soon after a restart.
func TestKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	db := openDB(t, path)
	enqueue(t, db, catalog.Job{Kind: "k", UniqueKey: "a"})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	killWorker(t, path, path+".running")

	worked := make(chan struct{})
	start(t, openDB(t, path), jobs.Handler{Kind: "k", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
		close(worked)
		return jobs.Done(), nil
	}})
	select {
	case <-worked:
	case <-time.After(time.Minute):
		t.Fatal("the job was not taken up")
	}
}

// killWorker runs a process until it has taken a job, and kills it.
func killWorker(t *testing.T, where, running string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+where)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the victim takes the job", time.Minute, func() bool {
		_, err := os.Stat(running)
		return err == nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// A job that ran in a replica that was killed is taken up by another one, which
// River elects to look for such jobs, once the job has been away for too long.
func TestKilledReplica(t *testing.T) {
	url, running := postgres.Database(t), filepath.Join(t.TempDir(), "running")
	db := openPostgres(t, url)
	enqueue(t, db, catalog.Job{Kind: "k", UniqueKey: "a"})
	killWorker(t, url+" "+running, running)
	if _, err := db.Write.Exec(`UPDATE river_job SET attempted_at = now() - interval '3 minutes' WHERE state = 'running'`); err != nil {
		t.Fatal(err)
	}
	worked := make(chan struct{})
	start(t, db, jobs.Handler{Kind: "k", Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
		close(worked)
		return jobs.Done(), nil
	}})
	select {
	case <-worked:
	case <-time.After(2 * time.Minute):
		t.Fatal("the job was not taken up")
	}
}
