package repo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// ReplicateOptions say with how much of the machine recovery points are
// replicated. The zero value means the Writer's defaults.
type ReplicateOptions struct {
	PackSize int // as in WriterOptions
	Workers  int
	Uploads  int
	// Progress is told how many bytes were stored so far, now and then, by one
	// goroutine at a time, and how many it will be about, 0 as long as not all is found
	// that is to be copied; nil tells nobody.
	Progress func(stored, planned int64)
}

// Replicate makes a recovery point of one repository one of another as well.
// What is there already is not stored again, also of a replication that was
// killed. When both have the same id and data key, the manifest is the same
// object, and frames are opened, checked and sealed again without compressing
// them; else streams are read and written again, and roots differ. Packs and
// segments always get new names: the old ones may have been deleted there, and
// no name is used twice.
//
// It is a Writer to the other repository: packs, index segments, manifest, and
// garbage may be collected there meanwhile. A recovery point that is there with
// the same content is success, with another ErrConflict.
func Replicate(ctx context.Context, from, to *Repository, id string, options ReplicateOptions) (Stats, error) {
	r := &replication{from: from, to: to, options: options}
	err := r.point(ctx, id)
	return r.stats, wrap(err, "replicate recovery point "+id)
}

// ReplicateAll replicates every recovery point. One that fails does not stop
// the others; the error tells all that failed.
func ReplicateAll(ctx context.Context, from, to *Repository, options ReplicateOptions) (Stats, error) {
	var sum Stats
	var failed []error
	for info, err := range from.Manifests(ctx) {
		if err != nil {
			return sum, err
		}
		stats, err := Replicate(ctx, from, to, info.ID, options)
		sum.add(stats)
		if ctx.Err() != nil {
			return sum, err
		}
		if err != nil && !errors.Is(err, errNothing) {
			failed = append(failed, err)
		}
	}
	return sum, errors.Join(failed...)
}

// errNothing means that there is no recovery point to replicate (any more).
var errNothing = errors.New("there is nothing to replicate")

func (s *Stats) add(other Stats) {
	s.Blocks += other.Blocks
	s.BytesIn += other.BytesIn
	s.NewBlocks += other.NewBlocks
	s.BytesStored += other.BytesStored
}

type replication struct {
	from, to *Repository
	options  ReplicateOptions
	stats    Stats
	telling  sync.Mutex
	planned  int64 // bytes in all of the frames that were found
	known    bool  // that these are all
}

// replicas reports whether two repositories may exchange documents unchanged.
func replicas(a, b *Repository) bool {
	return a.id == b.id && a.keys.KeyID() == b.keys.KeyID()
}

func (r *replication) point(ctx context.Context, id string) error {
	m, err := r.from.Manifest(ctx, id)
	if errors.Is(err, ErrVoid) || errors.Is(err, ErrNoRecoveryPoint) {
		err = fmt.Errorf("%w: %w", errNothing, err)
	}
	if err != nil {
		return err
	}
	there, err := r.to.Manifest(ctx, id)
	switch {
	case err == nil && r.equal(m, there):
		return nil
	case err == nil:
		return ErrConflict
	case !errors.Is(err, ErrNoRecoveryPoint):
		return err
	}
	w, err := r.to.NewWriter(ctx, WriterOptions{RecoveryPoint: id, PackSize: r.options.PackSize, Workers: r.options.Workers, Uploads: r.options.Uploads})
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }() // what failed was told before
	defer func() { r.stats = w.Stats() }()
	if replicas(r.from, r.to) {
		return r.copy(ctx, w, m)
	}
	return r.rewrite(ctx, w, m)
}

// equal reports whether two manifests are of the same recovery point. Roots
// follow from the data key, so those of different repositories are not compared.
func (r *replication) equal(a, b Manifest) bool {
	if !replicas(r.from, r.to) {
		a.Streams, b.Streams = rootless(a.Streams), rootless(b.Streams)
		a.Root, b.Root = "", ""
	}
	one, err := a.Encode()
	other, failed := b.Encode()
	return cmp.Or(err, failed) == nil && bytes.Equal(one, other)
}

func rootless(streams []StreamRef) (out []StreamRef) {
	for _, s := range streams {
		s.Root = ""
		out = append(out, s)
	}
	return out
}

// rewrite reads all streams and writes them again.
func (r *replication) rewrite(ctx context.Context, w *Writer, m Manifest) error {
	streams := m.Streams
	m.Streams = nil
	for _, ref := range streams {
		write := r.rewriteArchive
		if ref.Type == TypeVolume {
			write = r.rewriteVolume
		}
		written, err := write(ctx, w, ref)
		if err != nil {
			return err
		}
		m.Streams = append(m.Streams, written)
		r.tell(w)
	}
	return w.Commit(ctx, m)
}

func (r *replication) tell(w *Writer) {
	if r.options.Progress == nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	planned := r.planned
	if !r.known {
		planned = 0
	}
	r.options.Progress(w.Stats().BytesStored, planned)
}

func (r *replication) rewriteArchive(ctx context.Context, w *Writer, ref StreamRef) (StreamRef, error) {
	return r.from.CopyArchive(ctx, ref, w, nil)
}

func (r *replication) rewriteVolume(ctx context.Context, w *Writer, ref StreamRef) (StreamRef, error) {
	from, err := r.from.Volume(ctx, ref)
	if err != nil {
		return StreamRef{}, err
	}
	to, err := w.Volume(ref.Name, VolumeShape{Length: ref.Length, BlockSize: ref.BlockSize})
	if err != nil {
		return StreamRef{}, err
	}
	for block, err := range from.Blocks(ctx) {
		if err == nil {
			err = to.Write(block.Index, block.Data)
		}
		if err != nil {
			return StreamRef{}, err
		}
	}
	return to.Close()
}

// copyManifest puts the very object that the recovery point is in the other
// repository, after proving it.
func (r *Repository) copyManifest(ctx context.Context, point layout.ID, to *Repository) error {
	name := layout.Manifest(point)
	data, err := readObject(ctx, r.store, name, manifest.MaxDocument)
	if err != nil {
		return missing(name, err)
	}
	content, err := manifest.DecodeDocument(r.keys, seal.Manifest, r.id, point, data)
	if err == nil {
		_, err = manifest.Decode(content, point)
	}
	if err != nil {
		return located(name, err)
	}
	err = to.store.Put(ctx, name, bytes.NewReader(data), int64(len(data)))
	if !errors.Is(err, objstore.ErrExists) {
		return wrap(err, "store "+name)
	}
	return to.sameManifest(ctx, point, content)
}
