//go:build e2e

// Package e2e runs whole scenarios on a real cluster. Each is a script in
// testdata that reads from top to bottom; the commands it may use are listed
// in commands_test.go.
package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast.dev/holdfast/test/stand"
)

// TestScenarios brings up one stand and runs every script on it, one after
// another: they share two cores.
func TestScenarios(t *testing.T) { play(t, newStand(t), "testdata") }

// TestRegion loses a region, and so has a stand of its own.
func TestRegion(t *testing.T) { play(t, newStand(t), "testdata/region") }

func play(t *testing.T, s *stand.Stand, dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), 35*time.Minute)
	defer cancel()
	begin := time.Now()
	if err := prepare(ctx, s); err != nil {
		t.Fatalf("stand: %v", err)
	}
	t.Logf("stand ready after %s", time.Since(begin).Round(time.Second))
	if os.Getenv("HOLDFAST_KEEP") == "" {
		t.Cleanup(func() { tearDown(t, s) })
	}
	p := &player{Stand: s, ctx: ctx, begin: time.Now()}
	testscript.RunT(sequential{t}, testscript.Params{
		Dir:                 dir,
		Cmds:                p.commands(),
		Setup:               p.setup,
		RequireExplicitExec: true,
	})
}

// newStand takes its place from the environment, so that scenarios can run
// beside another run: HOLDFAST_E2E_NAME (of the cluster), HOLDFAST_E2E_DIR
// (state), HOLDFAST_E2E_PORT (the API's; the agents' is the next one).
func newStand(t *testing.T) *stand.Stand {
	name := setting("HOLDFAST_E2E_NAME", "e2e")
	dir := setting("HOLDFAST_E2E_DIR", "/srv/holdfast-e2e")
	port, err := strconv.Atoi(setting("HOLDFAST_E2E_PORT", "9443"))
	if err != nil {
		t.Fatalf("HOLDFAST_E2E_PORT: %v", err)
	}
	log, err := openLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	s, err := stand.New(stand.Options{Name: name, Dir: dir, Port: port, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func setting(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func openLog(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, "e2e.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

// prepare brings the stand to where a user would be after the guide's first
// three chapters.
func prepare(ctx context.Context, s *stand.Stand) error {
	// What an interrupted run left must not make this one pass or fail.
	if err := remove(ctx, s); err != nil {
		return err
	}
	steps := []func(context.Context) error{
		s.StartCluster,
		func(ctx context.Context) error {
			return s.LoadImages(ctx, s.Binary("holdfast-agent.tar"))
		},
		s.StartService,
		func(ctx context.Context) error {
			_, err := s.Holdfast(ctx, "login", "--admin-file", filepath.Join(s.DataDir(), "admin.json"))
			return err
		},
		func(ctx context.Context) error { return s.Setup(ctx, "e2e") },
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func remove(ctx context.Context, s *stand.Stand) error {
	if err := s.StopService(ctx); err != nil {
		return err
	}
	if err := s.StopCluster(ctx); err != nil {
		return err
	}
	return os.RemoveAll(s.DataDir())
}

func tearDown(t *testing.T, s *stand.Stand) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := remove(ctx, s); err != nil {
		t.Errorf("tear down: %v", err)
	}
}

// sequential runs subtests one after another, whatever they ask for.
type sequential struct{ *testing.T }

func (s sequential) Parallel() {}

func (s sequential) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(sequential{t}) })
}

func (s sequential) Verbose() bool { return testing.Verbose() }
