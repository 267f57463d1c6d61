package csi

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"holdfast.dev/holdfast/test/devcluster/loopdev"
)

const (
	fifreeze = 0xC0045877 // ioctl FIFREEZE
	fithaw   = 0xC0045878 // ioctl FITHAW
)

// atRest runs copy while nothing changes in volume id: its file system frozen
// where it is mounted, its device flushed where it is used raw. Snapshots are
// always at rest.
func (d *Driver) atRest(id string, copy func() error) error {
	device, err := loopdev.Of(d.store.Image(id))
	if err != nil {
		return err
	}
	if device == "" {
		return copy()
	}
	mounted, err := mountOf(device)
	if err != nil {
		return err
	}
	if mounted == "" {
		if err := flush(device); err != nil {
			return err
		}
		return copy()
	}
	if err := freezeIoctl(mounted, fifreeze); err != nil {
		return fmt.Errorf("freeze %s: %w", mounted, err)
	}
	err = copy()
	if thawErr := freezeIoctl(mounted, fithaw); thawErr != nil {
		return errors.Join(err, fmt.Errorf("thaw %s: %w", mounted, thawErr))
	}
	return err
}

// thawAll thaws what a driver killed in the middle of a copy left frozen;
// thawing what is not frozen is refused with EINVAL.
func (d *Driver) thawAll() error {
	volumes, err := d.store.List(volumePrefix)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		device, err := loopdev.Of(d.store.Image(v.ID))
		if err != nil {
			return err
		}
		if device == "" {
			continue
		}
		mounted, err := mountOf(device)
		if err != nil {
			return err
		}
		if mounted == "" {
			continue
		}
		if err := freezeIoctl(mounted, fithaw); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("thaw %s: %w", mounted, err)
		}
	}
	return nil
}

func freezeIoctl(folder string, request uint) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetInt(int(f.Fd()), request, 0)
}

func flush(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
