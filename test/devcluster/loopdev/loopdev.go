// Package loopdev attaches files to loop devices and finds out which devices
// hang, directly or through each other, on one file. The second works from
// device and inode numbers alone, so it finds the devices of a node whose
// mount namespace is already gone, where their paths mean nothing any more.
package loopdev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Device is an attached loop device.
type Device struct {
	Path   string // /dev/loopN
	number uint64 // device number of /dev/loopN itself
	// What it is attached to: a file by device and inode, or a block device.
	backingDevice, backingInode, backingBlock uint64
}

// Attach binds file to a free loop device with 512-byte blocks and returns the
// device's path. I/O goes through the page cache: direct I/O on a copy-on-write
// file system would force 4096-byte blocks on every volume.
func Attach(file string) (string, error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("attach loop device: %w", err)
	}
	defer backing.Close()
	for range 100 {
		path, err := attachToFree(backing)
		if !errors.Is(err, unix.EBUSY) {
			return path, err
		}
		time.Sleep(5 * time.Millisecond) // somebody took it between asking and binding
	}
	return "", fmt.Errorf("attach %s: no free loop device", file)
}

func attachToFree(backing *os.File) (string, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer control.Close()
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return "", fmt.Errorf("ask for a free loop device: %w", err)
	}
	path := fmt.Sprintf("/dev/loop%d", n)
	device, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer device.Close()
	config := unix.LoopConfig{Fd: uint32(backing.Fd()), Size: 512}
	copy(config.Info.File_name[:len(config.Info.File_name)-1], backing.Name())
	if err := unix.IoctlLoopConfigure(int(device.Fd()), &config); err != nil {
		return "", fmt.Errorf("attach %s to %s: %w", backing.Name(), path, err)
	}
	return path, nil
}

// Detach frees the device at path. A device nobody is attached to is no error;
// one in use is detached by the kernel as soon as its last user lets go.
func Detach(path string) error {
	err := ioctl(path, unix.LOOP_CLR_FD)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// AutoClear makes the device detach by itself when its last user is gone; it
// must have one, such as a mount, when this is called.
func AutoClear(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
	if err != nil {
		return fmt.Errorf("ask %s for its state: %w", path, err)
	}
	info.Flags |= unix.LO_FLAGS_AUTOCLEAR
	if err := unix.IoctlLoopSetStatus64(int(f.Fd()), info); err != nil {
		return fmt.Errorf("let %s detach by itself: %w", path, err)
	}
	return nil
}

// Refresh makes the device take over its file's new size.
func Refresh(path string) error {
	return ioctl(path, unix.LOOP_SET_CAPACITY)
}

func ioctl(path string, request uint) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetInt(int(f.Fd()), request, 0); err != nil {
		return fmt.Errorf("%s: ioctl %#x: %w", path, request, err)
	}
	return nil
}

// Of returns the device attached to file, or "" when there is none.
func Of(file string) (string, error) {
	found, err := attachedTo(file)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].Path, nil
}

// Tree returns every device that hangs on file: attached to it, to files of a
// file system on such a device, or to such a device itself; the last attached
// come first, which is the order to detach them in.
func Tree(file string) ([]string, error) {
	level, err := attachedTo(file)
	if err != nil {
		return nil, err
	}
	all, err := list()
	if err != nil {
		return nil, err
	}
	var paths []string
	for len(level) > 0 {
		var next []Device
		for _, parent := range level {
			paths = append(paths, parent.Path)
			for _, d := range all {
				if d.restsOn(parent) && !slices.Contains(paths, d.Path) {
					next = append(next, d)
				}
			}
		}
		level = next
	}
	slices.Reverse(paths)
	return paths, nil
}

func (d Device) restsOn(parent Device) bool {
	return d.backingDevice == parent.number || d.backingBlock == parent.number
}

func attachedTo(file string) ([]Device, error) {
	var stat unix.Stat_t
	if err := unix.Stat(file, &stat); errors.Is(err, unix.ENOENT) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("stat %s: %w", file, err)
	}
	all, err := list()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(d Device) bool {
		return d.backingDevice != stat.Dev || d.backingInode != stat.Ino
	}), nil
}

// list returns all attached devices of the machine.
func list() ([]Device, error) {
	folders, err := filepath.Glob("/sys/block/loop*/loop")
	if err != nil {
		return nil, err
	}
	var all []Device
	for _, folder := range folders {
		path := filepath.Join("/dev", filepath.Base(filepath.Dir(folder)))
		d, err := inspect(path)
		if errors.Is(err, unix.ENXIO) || errors.Is(err, os.ErrNotExist) {
			continue // detached meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func inspect(path string) (Device, error) {
	f, err := os.Open(path)
	if err != nil {
		return Device{}, err
	}
	defer f.Close()
	info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
	if err != nil {
		return Device{}, fmt.Errorf("ask %s for its state: %w", path, err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return Device{}, err
	}
	return Device{Path: path, number: stat.Rdev, backingDevice: info.Device, backingInode: info.Inode, backingBlock: info.Rdevice}, nil
}
