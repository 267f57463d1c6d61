package jobs_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/jobs"
)

// victim names, in the environment, the database on which this program works
// as the process to be killed.
const victim = "JOBS_TEST_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		beVictim(path)
	}
	os.Exit(m.Run())
}

// beVictim takes a job and never ends it.
func beVictim(path string) {
	db, err := sqlstore.OpenSQLite(path)
	if err != nil {
		panic(err)
	}
	engine, err := jobs.NewSQLiteEngine(db.Write, clock.System{}, slog.Default(), jobs.Handler{
		Kind: "k",
		Work: func(context.Context, json.RawMessage) (jobs.Result, error) {
			_ = os.WriteFile(path+".running", nil, 0o600)
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
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the victim takes the job", time.Minute, func() bool {
		_, err := os.Stat(path + ".running")
		return err == nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

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
