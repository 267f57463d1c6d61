package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"holdfast.dev/holdfast/test/devcluster/loopdev"
)

// prepareMounts gives the node its own view of the file system. The machine's
// /run, /var/lib and /var/log are covered, so that whatever components write
// there by habit stays in the state directory and vanishes with it.
func (c Config) prepareMounts() error {
	steps := []func() error{
		// Nothing mounted here may appear on the machine.
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		func() error { return mount("proc", "/proc", "proc", "") },
		c.coverFolders,
		c.pretendSysctls,
		c.mountPool,
		// Pods with volumes need mounts made later to reach into them.
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// coverFolders hides the machine's folders behind memory file systems and binds
// what must last from the state directory.
func (c Config) coverFolders() error {
	state, err := os.Open(c.Dir) // reachable even once its path is covered
	if err != nil {
		return err
	}
	defer state.Close()
	for _, dir := range []string{"/run", "/var/lib", "/var/log"} {
		if err := mount("tmpfs", dir, "tmpfs", "mode=755"); err != nil {
			return err
		}
	}
	if err := bind(fmt.Sprintf("/proc/self/fd/%d", state.Fd()), home); err != nil {
		return err
	}
	for source, target := range map[string]string{
		"etcd": "/var/lib/etcd", "containerd": "/var/lib/containerd", "kubelet": kubeletDir,
		"cni": "/var/lib/cni", "podlogs": "/var/log/pods",
	} {
		if err := bind(filepath.Join(home, source), target); err != nil {
			return err
		}
	}
	// Tools that remember mounts or locks expect these.
	for _, dir := range []string{"/run/lock", "/run/netns"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// Kubelet insists on these values and would set them on the whole machine.
// It only reads them when they already have the value it wants, so the node
// sees files that say so.
var pretended = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

func (c Config) pretendSysctls() error {
	for name, value := range pretended {
		file := filepath.Join("/run/sysctl", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		target := filepath.Join("/proc/sys", name)
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover %s: %w", target, err)
		}
	}
	return nil
}

// mountPool mounts the volumes' file system. Its device detaches by itself
// when the last mount of it is gone.
func (c Config) mountPool() error {
	device, err := loopdev.Attach(filepath.Join(home, poolImage))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(poolFolder, 0o755); err != nil {
		return err
	}
	if err := mount(device, poolFolder, "xfs", "discard"); err != nil {
		return errors.Join(err, loopdev.Detach(device))
	}
	return loopdev.AutoClear(device)
}

func bind(source, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	return nil
}

func mount(source, target, kind, options string) error {
	if err := unix.Mount(source, target, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s (%s) on %s: %w", source, kind, target, err)
	}
	return nil
}
