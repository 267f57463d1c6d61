package loopdev

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func sparse(t *testing.T, size int64) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	return file
}

func attach(t *testing.T, file string) string {
	t.Helper()
	device, err := Attach(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Detach(device) })
	return device
}

func TestAttachFindDetach(t *testing.T) {
	file := sparse(t, 4<<20)
	device := attach(t, file)
	if found, err := Of(file); err != nil || found != device {
		t.Fatalf("Of = %q, %v; want %q", found, err, device)
	}
	for range 2 { // the second time is no error
		if err := Detach(device); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		found, err := Of(file)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("after detach: Of = %q, %v", found, err)
		}
		if found == "" {
			return
		}
	}
}

func TestRefreshTakesOverTheNewSize(t *testing.T) {
	file := sparse(t, 4<<20)
	device := attach(t, file)
	if err := os.Truncate(file, 9<<20); err != nil {
		t.Fatal(err)
	}
	if err := Refresh(device); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if size, err := f.Seek(0, 2); err != nil || size != 9<<20 {
		t.Fatalf("size = %d, %v; want %d", size, err, 9<<20)
	}
}

// TestTree stacks devices the way a node does: a pool, a volume in the pool's
// file system, and kubelet's own device on top of the volume's.
func TestTree(t *testing.T) {
	pool := sparse(t, 64<<20)
	poolDevice := attach(t, pool)
	if out, err := exec.Command("mkfs.ext4", "-q", poolDevice).CombinedOutput(); err != nil {
		t.Fatalf("mkfs: %v: %s", err, out)
	}
	mounted := t.TempDir()
	if err := unix.Mount(poolDevice, mounted, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(mounted, unix.MNT_DETACH) })
	volume := filepath.Join(mounted, "volume")
	if err := os.WriteFile(volume, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	volumeDevice := attach(t, volume)
	onTop := attach(t, volumeDevice)
	attach(t, sparse(t, 1<<20)) // a stranger
	got, err := Tree(pool)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{onTop, volumeDevice, poolDevice}; !slices.Equal(got, want) {
		t.Fatalf("Tree = %v, want %v", got, want)
	}
}

func TestTreeOfAMissingFileIsEmpty(t *testing.T) {
	got, err := Tree(filepath.Join(t.TempDir(), "absent"))
	if err != nil || len(got) != 0 {
		t.Fatalf("Tree = %v, %v", got, err)
	}
}
