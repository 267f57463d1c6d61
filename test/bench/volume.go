package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"holdfast.dev/holdfast/internal/repo"
)

// volumeBlock is the size of the volume's blocks in bytes.
const volumeBlock = repo.VolumeBlockSize

// writeVolume is the first backup of a volume into an empty folder.
func writeVolume(ctx context.Context, p place) (float64, error) {
	image, err := os.Open(p.volume())
	if err != nil {
		return 0, err
	}
	defer image.Close()
	p.Dir = filepath.Join(p.Dir, "volumes-"+strconv.Itoa(p.Round))
	w, err := p.write(ctx, firstPoint, func(w *repo.Writer) (repo.StreamRef, int64, error) {
		v, err := w.Volume("volume", repo.VolumeShape{Length: p.Volume, BlockSize: volumeBlock})
		if err != nil {
			return repo.StreamRef{}, 0, err
		}
		if err := copyBlocks(v, image); err != nil {
			return repo.StreamRef{}, 0, err
		}
		ref, err := v.Close()
		return ref, p.Volume, err
	})
	return w.rate, err
}

func copyBlocks(v *repo.VolumeWriter, image io.Reader) error {
	block := make([]byte, volumeBlock)
	for number := int64(0); ; number++ {
		n, err := io.ReadFull(image, block)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err := v.Write(number, block[:n]); err != nil {
			return err
		}
	}
}
