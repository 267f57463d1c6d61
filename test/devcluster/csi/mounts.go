package csi

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func knownFileSystem(kind string) bool {
	return kind == "" || kind == "ext4" || kind == "xfs"
}

// mountOf returns one place where the file system on device is mounted, or "".
func mountOf(device string) (string, error) {
	var stat unix.Stat_t
	if err := unix.Stat(device, &stat); err != nil {
		return "", fmt.Errorf("stat %s: %w", device, err)
	}
	number := fmt.Sprintf("%d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
	found := ""
	err := eachMount(func(devNumber, target string) {
		if devNumber == number && found == "" {
			found = target
		}
	})
	return found, err
}

// isMountPoint says whether something is mounted exactly at path.
func isMountPoint(path string) (bool, error) {
	clean, err := filepath.Abs(path)
	if err != nil {
		return false, err
	}
	found := false
	err = eachMount(func(_, target string) { found = found || target == clean })
	return found, err
}

func eachMount(visit func(device, target string)) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if fields := strings.Fields(scanner.Text()); len(fields) > 4 {
			visit(fields[2], unescape.Replace(fields[4]))
		}
	}
	return scanner.Err()
}

// format makes a file system on device unless it holds something already.
func format(device, kind string) error {
	err := exec.Command("blkid", "-p", device).Run()
	if err == nil {
		return nil
	}
	// Exit code 2 says that nothing was recognised, anything else is trouble.
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 2 {
		return fmt.Errorf("probe %s: %w", device, err)
	}
	args := []string{"-q", "-F", "-m", "0", "-b", "4096", device}
	if kind == "xfs" {
		args = []string{"-q", "-f", device}
	}
	return run("mkfs."+kind, args...)
}

// grow makes the mounted file system fill its device; it may do so already.
func grow(device, mounted, kind string) error {
	if kind == "xfs" {
		return run("xfs_growfs", mounted)
	}
	return run("resize2fs", device)
}

// kindOf asks what file system is on device.
func kindOf(device string) (string, error) {
	out, err := exec.Command("blkid", "-p", "-s", "TYPE", "-o", "value", device).Output()
	if err != nil {
		return "", fmt.Errorf("probe %s: %w", device, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// unmount undoes every mount at path; there may be none.
func unmount(path string) error {
	for {
		switch err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW); {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return nil
		case err != nil:
			return fmt.Errorf("unmount %s: %w", path, err)
		}
	}
}

func run(program string, args ...string) error {
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
