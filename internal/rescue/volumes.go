package rescue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/volume"
	"holdfast.dev/holdfast/internal/volume/ext4"
)

// ErrSnapshotOnly means that a recovery point has the handle of a volume's
// snapshot, and not its data.
var ErrSnapshotOnly = errors.New("the data of the volume is not in the bucket")

// ErrNoVolume means that a recovery point knows no such volume.
var ErrNoVolume = errors.New("no such volume in the recovery point")

// Volume opens the data of the volume that is named as namespace/claim, and tells
// what is known of it.
func (p Point) Volume(ctx context.Context, name string) (*repo.VolumeReader, repo.Volume, error) {
	v, stream, err := p.stream(name)
	if err != nil {
		return nil, v, err
	}
	reader, err := p.In.Volume(ctx, stream)
	return reader, v, err
}

func (p Point) stream(name string) (repo.Volume, repo.StreamRef, error) {
	for _, v := range p.Volumes {
		if v.Namespace+"/"+v.Claim != name {
			continue
		}
		switch {
		case v.Stream == "" && v.SnapshotHandle != "":
			return v, repo.StreamRef{}, fmt.Errorf("volume %s: %w: it is in snapshot %s of driver %s, in the cluster's own storage", name, ErrSnapshotOnly, v.SnapshotHandle, v.Driver)
		case v.Stream == "":
			return v, repo.StreamRef{}, fmt.Errorf("volume %s: %w: %s (%s)", name, ErrSnapshotOnly, v.Reason, v.ReasonCode)
		}
		for _, s := range p.Streams {
			if s.Name == v.Stream {
				return v, s, nil
			}
		}
		return v, repo.StreamRef{}, fmt.Errorf("volume %s: %w: its stream %s is not listed", name, repo.ErrDamaged, v.Stream)
	}
	var known []string
	for _, v := range p.Volumes {
		known = append(known, v.Namespace+"/"+v.Claim)
	}
	return repo.Volume{}, repo.StreamRef{}, fmt.Errorf("%w: %q; there are: %s", ErrNoVolume, name, strings.Join(known, ", "))
}

// LostRange is a part of a volume that cannot be read; it was left as zeros.
type LostRange struct {
	From, To int64 // bytes
	Err      error
}

// Fill writes a volume to a file or device; what cannot be read is zeros there,
// and is returned. progress, which may be nil, is told the bytes written.
func (p Point) Fill(ctx context.Context, name string, target *volume.Target, progress func(done int64)) (lost []LostRange, err error) {
	_, stream, err := p.stream(name)
	if err != nil {
		return nil, err
	}
	restore := func(ctx context.Context, write volume.WriteBlock) error {
		v, err := p.In.Volume(ctx, stream)
		if err != nil {
			return err
		}
		err = v.Restore(ctx, func(b repo.VolumeBlock) error { return write(b.Offset, b.Data) }, nil)
		if !errors.Is(err, repo.ErrDamaged) {
			return err
		}
		lost, err = p.salvage(ctx, stream, write)
		return err
	}
	err = volume.Fill(ctx, target, restore, func(at volume.Progress) {
		if progress != nil {
			progress(at.Done)
		}
	})
	return lost, err
}

// salvage writes every block that can be read, with an index that is completed.
func (p Point) salvage(ctx context.Context, stream repo.StreamRef, write volume.WriteBlock) (lost []LostRange, err error) {
	from, err := p.In.Salvage(ctx)
	if err != nil {
		return nil, err
	}
	v, err := from.Volume(ctx, stream)
	if err != nil {
		return nil, err
	}
	err = v.Salvage(ctx, func(b repo.VolumeBlock) error { return write(b.Offset, b.Data) }, func(r repo.BlockRange, why error) error {
		lost = addLost(lost, LostRange{r.From * stream.BlockSize, min(r.To*stream.BlockSize, stream.Length), why})
		return nil
	})
	return lost, err
}

// Files opens the file system of a volume. ext4.ErrOther when it has none that
// can be read here.
func (p Point) Files(ctx context.Context, name string) (*ext4.Files, error) {
	v, about, err := p.Volume(ctx, name)
	if err != nil {
		return nil, err
	}
	device := NewDevice(ctx, v)
	files, err := ext4.OpenFiles(ctx, device, device.Size())
	if errors.Is(err, repo.ErrDamaged) { // perhaps of the index alone
		if device, err = p.salvagedDevice(ctx, name); err == nil {
			files, err = ext4.OpenFiles(ctx, device, device.Size())
		}
	}
	if errors.Is(err, ext4.ErrOther) {
		return nil, fmt.Errorf("volume %s: %w (the cluster called it %q, mode %s); extract the volume as an image and mount that read-only", name, err, about.FSType, about.VolumeMode)
	}
	return files, err
}

func (p Point) salvagedDevice(ctx context.Context, name string) (*Device, error) {
	_, stream, err := p.stream(name)
	if err != nil {
		return nil, err
	}
	from, err := p.In.Salvage(ctx)
	if err != nil {
		return nil, err
	}
	v, err := from.Volume(ctx, stream)
	if err != nil {
		return nil, err
	}
	return NewDevice(ctx, v), nil
}

const (
	copyStep   = 1 << 20 // bytes copied at once
	doubtsStep = 4 << 10 // bytes given up at once
)

// Copy copies a file of size bytes. What of it is damaged becomes zeros, and is
// returned. progress, which may be nil, is told the bytes copied.
func Copy(to io.Writer, from io.ReaderAt, size int64, progress func(done int64)) (lost []LostRange, err error) {
	buffer := make([]byte, copyStep)
	for at := int64(0); at < size; {
		part := buffer[:min(copyStep, size-at)]
		if lost, err = readPart(from, part, at, lost); err != nil {
			return lost, err
		}
		if _, err := to.Write(part); err != nil {
			return lost, err
		}
		if at += int64(len(part)); progress != nil {
			progress(at)
		}
	}
	return lost, nil
}

// readPart reads a part whole or, when some of it is damaged, piece by piece.
func readPart(from io.ReaderAt, part []byte, at int64, lost []LostRange) ([]LostRange, error) {
	n, err := from.ReadAt(part, at)
	if n == len(part) || !errors.Is(err, repo.ErrDamaged) {
		if n == len(part) {
			err = nil
		}
		return lost, err
	}
	for done := 0; done < len(part); done += doubtsStep {
		piece := part[done:min(len(part), done+doubtsStep)]
		n, err := from.ReadAt(piece, at+int64(done))
		switch {
		case n == len(piece):
		case errors.Is(err, repo.ErrDamaged):
			clear(piece)
			lost = addLost(lost, LostRange{at + int64(done), at + int64(done+len(piece)), err})
		default:
			return lost, err
		}
	}
	return lost, nil
}

// addLost joins neighbours.
func addLost(lost []LostRange, r LostRange) []LostRange {
	if n := len(lost); n > 0 && lost[n-1].To == r.From {
		lost[n-1].To = r.To
		return lost
	}
	return append(lost, r)
}
