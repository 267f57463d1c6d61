package csi

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"

	"holdfast.dev/holdfast/test/devcluster/loopdev"
)

// xfsPool mounts a fresh pool; everything on it is gone after the test.
func xfsPool(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts and attaches loop devices: run it as root")
	}
	dir := t.TempDir()
	image, pool := filepath.Join(dir, "pool.img"), filepath.Join(dir, "pool")
	command(t, "truncate", "-s", "30G", image)
	command(t, "mkfs.xfs", "-q", "-m", "reflink=1", image)
	if err := os.Mkdir(pool, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "mount", "-o", "loop,discard", image, pool)
	t.Cleanup(func() {
		devices, err := loopdev.Tree(image)
		if err != nil {
			t.Error(err)
		}
		if len(devices) > 1 {
			t.Errorf("still attached to volumes: %v", devices[:len(devices)-1])
		}
		command(t, "umount", pool)
	})
	return pool
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// startDriver serves a driver on a socket until the test ends.
func startDriver(t *testing.T, snapshots bool) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "csi.sock")
	driver, err := New(Options{Name: "loop.csi.holdfast.dev", Node: "node", Pool: filepath.Join(xfsPool(t), "volumes"), Endpoint: socket, Snapshots: snapshots})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- driver.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for range 6000 { // a minute
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the driver does not listen")
	return ""
}

// TestSanity runs the suite every CSI driver has to pass.
func TestSanity(t *testing.T) {
	config := sanity.NewTestConfig()
	config.Address = startDriver(t, true)
	config.TargetPath = filepath.Join(t.TempDir(), "target")
	config.StagingPath = filepath.Join(t.TempDir(), "staging")
	config.TestNodeVolumeAttachLimit = false
	config.IdempotentCount = 3
	config.TestVolumeSize = 1 << 30
	sanity.Test(t, config)
}
