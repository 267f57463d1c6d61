package csi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func knownFileSystem(kind string) bool {
	return kind == "" || kind == "ext4" || kind == "xfs"
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

// kindOf asks what file system is on device.
func kindOf(device string) (string, error) {
	out, err := exec.Command("blkid", "-p", "-s", "TYPE", "-o", "value", device).Output()
	if err != nil {
		return "", fmt.Errorf("probe %s: %w", device, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// growUnmounted makes an ext4 fill its device before it is mounted, as after a
// restore into a larger volume. XFS can only grow mounted.
func growUnmounted(device, kind string) error {
	if kind != "ext4" {
		return nil
	}
	smaller, err := smallerThanDevice(device)
	if err != nil || !smaller {
		return err
	}
	// resize2fs insists on a check since the last mount. Exit code 1: corrected.
	err = run("e2fsck", "-f", "-p", device)
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
		return err
	}
	return run("resize2fs", device)
}

// growMounted makes a file system in use fill its device. The kernel lets only
// CAP_SYS_RESOURCE grow a mounted ext4; without it the answer is "not while in
// use", and the volume grows when it is staged the next time.
func growMounted(device, mounted, kind string) error {
	if kind == "xfs" {
		return run("xfs_growfs", mounted)
	}
	err := run("resize2fs", device)
	if err != nil && strings.Contains(err.Error(), "Permission denied to resize") {
		return status.Errorf(codes.FailedPrecondition, "this machine cannot grow ext4 in use: %v", err)
	}
	return err
}

// smallerThanDevice reads the size in an ext4 superblock, which starts 1024
// bytes into the device.
func smallerThanDevice(device string) (bool, error) {
	f, err := os.Open(device)
	if err != nil {
		return false, err
	}
	defer f.Close()
	super := make([]byte, 1024)
	if _, err := f.ReadAt(super, 1024); err != nil {
		return false, fmt.Errorf("read superblock of %s: %w", device, err)
	}
	low, high := binary.LittleEndian.Uint32(super[0x4:]), binary.LittleEndian.Uint32(super[0x150:])
	blockSize := int64(1024) << binary.LittleEndian.Uint32(super[0x18:])
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	return (int64(high)<<32|int64(low))*blockSize+blockSize <= size, nil
}

func run(program string, args ...string) error {
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
