package service_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
	"holdfast.dev/holdfast/test/postgres"
)

func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

// Two replicas on one PostgreSQL are one service: what is asked of one is done by
// either, for the agents of either, and seen at both.
func TestReplicas(t *testing.T) {
	t.Parallel()
	first := newWorldWith(t, service.Options{Database: postgres.Database(t)})
	first.furnish()
	cluster := first.connect()
	first.declareExtension()
	first.grantRoles()

	other := *first
	other.anyPort()
	other.start()
	t.Cleanup(func() { other.stop() })
	other.protect()
	job := first.jobOf(other.must(http.MethodPost, other.instance+"/backup", backupBody))
	if job["status"] != "Completed" {
		t.Fatalf("backup job = %v", job)
	}
	<-cluster.began
	if points := other.points(); len(points) != 1 || points[0] != first.points()[0] {
		t.Fatalf("recovery points = %v and %v", points, first.points())
	}
	other.stop()
	job = first.jobOf(first.must(http.MethodPost, first.instance+"/backup", backupBody))
	if job["status"] != "Completed" {
		t.Fatalf("backup job after a replica has gone = %v", job)
	}
	for _, f := range service.Check(t.Context(), service.Options{DataDir: first.dir, Database: first.options.Database, Clock: clock.System{}}) {
		if f.Result != service.OK {
			t.Errorf("%+v", f)
		}
	}
}

func TestDatabaseOptions(t *testing.T) {
	for _, o := range []service.Options{
		{Database: "mysql://root:secret@localhost/x"},
		{Database: "postgres://u:secret@127.0.0.1:1/x"},
		{Database: "postgres://u:secret@127.0.0.1/x", DatabaseConnections: 2},
		{Database: "postgres://u:secret@127.0.0.1:nonsense/x"},
	} {
		o.DataDir = t.TempDir()
		err := service.Migrate(t.Context(), o)
		if err == nil {
			t.Errorf("%+v was taken", o)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password stands in: %v", err)
		}
	}
}
