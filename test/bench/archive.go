package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/repo"
)

const repositoryID = "00112233445566778899aabbccddeeff"

func point(n int) string { return fmt.Sprintf("%032x", n) }

// repository opens the round's repository, which is made when there is none.
func (p place) open(ctx context.Context) (*repo.Repository, error) {
	if err := os.MkdirAll(p.repository(), 0o700); err != nil {
		return nil, err
	}
	store, err := filesystem.Open(p.repository())
	if err != nil {
		return nil, err
	}
	if err := repo.Create(ctx, store, repo.Key{1}, repo.CreateOptions{ID: repositoryID}); err != nil {
		return nil, err
	}
	return repo.Open(ctx, store, repo.Key{1})
}

// written is what a recovery point took.
type written struct {
	repo.Stats
	records int64 // bytes of objects handed in
	rate    float64
}

// write makes a recovery point of what stream writes; stream returns how many
// bytes it handed in.
func (p place) write(ctx context.Context, n int, stream func(*repo.Writer) (repo.StreamRef, int64, error)) (written, error) {
	r, err := p.open(ctx)
	if err != nil {
		return written{}, err
	}
	defer r.Close()
	start := time.Now()
	w, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: point(n)})
	if err != nil {
		return written{}, err
	}
	defer w.Close()
	ref, bytes, err := stream(w)
	if err != nil {
		return written{}, err
	}
	m := repo.Manifest{Created: time.Unix(1, 0), Instance: "bench", Streams: []repo.StreamRef{ref}}
	if err := w.Commit(ctx, m); err != nil {
		return written{}, err
	}
	return written{w.Stats(), bytes, megabytes(bytes, start)}, nil
}

// archive backs the objects up, as recovery point n; see touch.
func (p place) archive(ctx context.Context, n int, touch func(record) bool) (written, error) {
	return p.write(ctx, n, func(w *repo.Writer) (repo.StreamRef, int64, error) {
		a, err := w.Archive("objects")
		if err != nil {
			return repo.StreamRef{}, 0, err
		}
		bytes := int64(0)
		for r, err := range p.records() {
			if err != nil {
				return repo.StreamRef{}, 0, err
			}
			touch(r)
			if err := a.Add(r.key, r.value); err != nil {
				return repo.StreamRef{}, 0, err
			}
			bytes += int64(len(r.value))
		}
		ref, err := a.Close()
		return ref, bytes, err
	})
}

func untouched(record) bool { return false }

// Recovery points of a repository: the first, and two that follow it.
const (
	firstPoint = iota + 1
	nextPoint
	storedPoint
)

// writeArchive is the first backup of all objects into an empty folder.
func writeArchive(ctx context.Context, p place) (float64, error) {
	w, err := p.archive(ctx, firstPoint, untouched)
	return w.rate, err
}

// nextArchive is the backup after one object of a hundred has changed.
func nextArchive(ctx context.Context, p place) (float64, error) {
	w, err := p.archive(ctx, nextPoint, touch(nextPoint))
	return w.rate, err
}

// nextStored is how much such a backup stores, in hundredths of the objects.
func nextStored(ctx context.Context, p place) (float64, error) {
	w, err := p.archive(ctx, storedPoint, touch(storedPoint))
	return 100 * float64(w.BytesStored) / float64(w.records), err
}

// changedObjects is what the changed objects alone would take, compressed in
// one piece.
func changedObjects(_ context.Context, p place) (float64, error) {
	b, err := newBare(zstdOnly, p.Dir)
	if err != nil {
		return 0, err
	}
	all, some, touched := 0, []byte(nil), touch(storedPoint)
	for r, err := range p.records() {
		if err != nil {
			return 0, err
		}
		all += len(r.value)
		if touched(r) {
			some = append(some, r.value...)
		}
	}
	small, err := b.shrink(some)
	return 100 * float64(len(small)) / float64(all), err
}

// readArchive reads the first recovery point; every byte is checked.
func readArchive(ctx context.Context, p place) (float64, error) {
	r, err := p.open(ctx)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	start := time.Now()
	m, err := r.Manifest(ctx, point(firstPoint))
	if err != nil {
		return 0, err
	}
	a, err := r.Archive(ctx, m.Streams[0])
	if err != nil {
		return 0, err
	}
	bytes := int64(0)
	for record, err := range a.All(ctx) {
		if err != nil {
			return 0, err
		}
		bytes += int64(len(record.Value))
	}
	return megabytes(bytes, start), nil
}
