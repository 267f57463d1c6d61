package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"holdfast.dev/holdfast/test/devcluster/build"
	"holdfast.dev/holdfast/test/devcluster/network"
	"holdfast.dev/holdfast/test/devcluster/registry"
)

// claimed has the last place: links and control groups are the machine's, and
// the first places may belong to clusters in use.
func claimed(t *testing.T) *Cluster {
	t.Helper()
	root := t.TempDir()
	place := fmt.Sprintf(`{"test-cluster":%d}`, network.MaxClusters-1)
	if err := os.WriteFile(filepath.Join(root, "registry.json"), []byte(place), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Claim(registry.Registry{Root: root}, "test-cluster")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpenFindsOnlyWhatWasClaimed(t *testing.T) {
	r := registry.Registry{Root: t.TempDir()}
	if _, err := Open(r, "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	one, err := Claim(r, "one")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(r, "one")
	if err != nil || again.Plan != one.Plan || again.Dir != filepath.Join(r.Root, "one") {
		t.Fatalf("got %+v, %v", again, err)
	}
	two, err := Claim(r, "two")
	if err != nil || two.Plan == one.Plan || two.CgroupRoot() == one.CgroupRoot() {
		t.Fatalf("%+v and %+v, %v", one, two, err)
	}
}

// TestPidOfAnotherProcessDoesNotCount: numbers are used again.
func TestPidOfAnotherProcessDoesNotCount(t *testing.T) {
	c := claimed(t)
	expect := func(want int) {
		t.Helper()
		if got, err := c.Pid(); err != nil || got != want {
			t.Fatalf("Pid = %d, %v; want %d", got, err, want)
		}
	}
	expect(0)
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	pid := sleeper.Process.Pid
	started, alive := startTime(pid)
	if !alive {
		t.Fatal("a running process counts as ended")
	}
	remember := func(started string) {
		if err := os.WriteFile(c.pidFile(), fmt.Appendf(nil, "%d %s\n", pid, started), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	remember("1" + started)
	expect(0)
	remember(started)
	expect(pid)
	if err := c.kill(t.Context()); err != nil { // leaves a zombie until Wait
		t.Fatal(err)
	}
	expect(0)
	sleeper.Wait()
	expect(0)
}

func TestDownOfWhatNeverRan(t *testing.T) {
	c := claimed(t)
	for range 2 {
		if err := c.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(c.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the state directory is left: %v", err)
	}
	if _, err := Open(c.registry, "test-cluster"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the registry still knows it: %v", err)
	}
}

func TestPlaceReplacesNothingInUse(t *testing.T) {
	c := claimed(t)
	source := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(source, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.placePrograms(map[string]string{"tool": source}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "bin", "tool")); err != nil {
		t.Fatal(err)
	}
}

// TestANodeThatEndsIsNotWaitedFor has a process in place of a node, which ends.
func TestANodeThatEndsIsNotWaitedFor(t *testing.T) {
	c := claimed(t)
	if err := c.certificates().Write(c.PKI()); err != nil {
		t.Fatal(err)
	}
	brief := exec.Command("sleep", "0.3")
	if err := brief.Start(); err != nil {
		t.Fatal(err)
	}
	pid := brief.Process.Pid
	started, _ := startTime(pid)
	if err := os.WriteFile(c.pidFile(), fmt.Appendf(nil, "%d %s\n", pid, started), 0o644); err != nil {
		t.Fatal(err)
	}
	go brief.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := c.populate(ctx, pid, Parts{}, build.NewProgress(os.Stderr))
	if !errors.Is(err, errEnded) || ctx.Err() != nil {
		t.Fatalf("got %v", err)
	}
}
