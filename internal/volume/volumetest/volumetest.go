// Package volumetest makes real file systems for tests: images on a pool that
// can copy a file in an instant, mounted through loop devices. It needs root.
package volumetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const insideVariable = "HOLDFAST_VOLUMETEST_INSIDE"

// Main runs the tests of a package in a mount namespace of their own, so that
// every mount and loop device is gone when they end, however they end.
func Main(m *testing.M) {
	if os.Getenv(insideVariable) != "" || fuzzing() {
		os.Exit(m.Run())
	}
	runtime.LockOSThread() // the parent of the child is this thread
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &exit):
		os.Exit(max(exit.ExitCode(), 1))
	}
	fmt.Fprintln(os.Stderr, "tests with mounts need root:", err)
	os.Exit(1)
}

// fuzzing is true for the coordinator and the workers of go test -fuzz, which
// talk over inherited files and mount nothing.
func fuzzing() bool {
	for _, a := range os.Args {
		if strings.HasPrefix(a, "-test.fuzz=") || strings.HasPrefix(a, "-test.fuzzworker") {
			return true
		}
	}
	return false
}

// Pool mounts a file system on which Clone works, and returns its folder. It
// is kept in memory.
func Pool(t testing.TB) string {
	t.Helper()
	memory := t.TempDir()
	Run(t, "mount", "-t", "tmpfs", "volumetest", memory)
	t.Cleanup(func() { Unmount(t, memory) })
	image := filepath.Join(memory, "pool.img")
	Image(t, image, 4<<30)
	Run(t, "mkfs.xfs", "-q", "-m", "reflink=1", image)
	return Mount(t, image)
}

// Image makes a file of size bytes that is one hole.
func Image(t testing.TB, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Mount mounts an image and returns the folder; it is unmounted at the end.
func Mount(t testing.TB, image string, options ...string) string {
	t.Helper()
	dir := t.TempDir()
	Run(t, "mount", "-o", strings.Join(append([]string{"loop"}, options...), ","), image, dir)
	t.Cleanup(func() { Unmount(t, dir) })
	return dir
}

// Unmount unmounts a folder; doing so again is no error.
func Unmount(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		t.Errorf("unmount %s: %v", dir, err)
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	}
}

// Clone copies a file of a Pool in one instant, whoever is writing to it.
func Clone(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.IoctlFileClone(int(out.Fd()), int(in.Fd())), out.Close()); err != nil {
		t.Fatalf("clone %s: %v", from, err)
	}
}

// Run runs a program that must succeed, and returns what it said.
func Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Sums returns a checksum of every regular file below dir, by path.
func Sums(t testing.TB, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		sums[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%x", h.Sum(nil)[:8])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}
