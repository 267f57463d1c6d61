package csi

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mountOf returns one place where the file system on device is mounted, or "".
func mountOf(device string) (string, error) {
	all, err := mountsOf(device)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[0], nil
}

// mountsOf returns every place where the file system on device is mounted.
func mountsOf(device string) ([]string, error) {
	var stat unix.Stat_t
	if err := unix.Stat(device, &stat); err != nil {
		return nil, fmt.Errorf("stat %s: %w", device, err)
	}
	number := fmt.Sprintf("%d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
	var found []string
	err := eachMount(func(devNumber, target string) {
		if devNumber == number {
			found = append(found, target)
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
