package repo

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"holdfast.dev/holdfast/internal/repo/internal/page"
)

// volumeFrame is the content of a volume's frames in bytes: neighbouring
// blocks are compressed together, which keeps the matches that small blocks
// would lose.
const volumeFrame = 4 << 20

// minReads is how many reads of a device go on at once: one alone would wait
// for the device's latency, however few cores there are.
const minReads = 4

// VolumeBlockSize is the size in bytes of a volume's blocks where nothing
// demands another. Measured with 1.2 GiB (half compressible files, a third
// noise) and a next backup after 1 %, 12.9 MB, has changed, a quarter of that in
// scattered writes of 8 KiB:
//
//	blocks    first stores   its index   next stores   CPU of first, next
//	  64 KiB      632.4 MB     0.87 MB       23.5 MB         6.1 s   1.1 s
//	 128 KiB      630.8 MB     0.44 MB       37.8 MB         6.6 s   1.1 s
//	 256 KiB      630.4 MB     0.22 MB       64.6 MB         7.8 s   1.4 s
//	 512 KiB      630.1 MB     0.11 MB      114.7 MB         6.3 s   2.0 s
//	1024 KiB      630.2 MB     0.06 MB      192.5 MB         6.1 s   2.2 s
//
// Neighbours are compressed together, so small blocks cost only their names.
const VolumeBlockSize = 64 << 10

// VolumeShape is the shape of a volume stream.
type VolumeShape struct {
	Length    int64 // bytes
	BlockSize int64 // bytes: a power of two from 4 KiB to 4 MiB
}

// Base is the stream of an earlier recovery point that an increment starts from.
type Base struct {
	Point  string // id of the recovery point, which must exist
	Stream string
}

// VolumeWriter writes a stream of fixed-size blocks. It is for one goroutine;
// reading, naming, compressing and storing go on behind it.
//
//	Write, Copy, Hole ── batches ── read, find zeros, name ── in order: compare, look up, pages ── frames ── packs
//	  the caller                     several at once            one goroutine                      the Writer's
//
// Memory is at most 40 MiB with up to 4 Workers, whatever the volume's size.
type VolumeWriter struct {
	writer *Writer
	name   string
	shape  page.Geometry
	data   *runs
	tree   *tree
	next   int64 // least block that may still be given
	done   bool

	open   *batch
	free   chan *batch
	naming chan *batch
	order  chan *batch
	end    chan struct{} // closed when all batches were taken
	fresh  []int         // steps of a batch that are new

	mu     sync.Mutex
	failed error // why the stream, not the Writer, cannot go on
}

// Volume begins a volume stream. Its name is unique in the recovery point.
// What is not written is a hole.
func (w *Writer) Volume(name string, shape VolumeShape) (*VolumeWriter, error) {
	v, err := w.volume(name, shape)
	if err != nil {
		return nil, fmt.Errorf("begin volume: %w", err)
	}
	v.start()
	return v, nil
}

// VolumeFrom begins a volume stream that is the base with changes: what is not
// written stays what it is there, without being read, so an increment costs
// what changed. The volume may have another length than the base; what it has
// more is a hole. ErrBase, also from Write, Copy, Hole and Close, when the base
// cannot be used: it has another block size, or it is gone, void or damaged.
// The same stream may then be begun anew without a base.
func (w *Writer) VolumeFrom(name string, shape VolumeShape, base Base) (*VolumeWriter, error) {
	v, err := w.volume(name, shape)
	if err == nil {
		if err = v.inherit(base); err != nil {
			w.forget(name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("begin volume from stream %q of recovery point %s: %w", base.Stream, base.Point, err)
	}
	v.start()
	return v, nil
}

func (w *Writer) volume(name string, shape VolumeShape) (*VolumeWriter, error) {
	g := page.Geometry(shape)
	if err := g.Check(); err != nil {
		return nil, err
	}
	if err := w.begin(name); err != nil {
		return nil, err
	}
	return &VolumeWriter{writer: w, name: name, shape: g, data: w.newRuns(volumeFrame), tree: newTree(w, g)}, nil
}

// inherit reads the base's manifest. That it is there now, after this writer
// was announced, means that nobody deletes its packs before this writer is
// settled, unless they are condemned already.
func (v *VolumeWriter) inherit(base Base) error {
	m, err := v.writer.repo.Manifest(v.writer.ctx, base.Point)
	if errors.Is(err, ErrNoRecoveryPoint) || errors.Is(err, ErrVoid) {
		err = fmt.Errorf("%w: %w", ErrBase, err)
	}
	if err != nil {
		return ofBase(err)
	}
	for _, ref := range m.Streams {
		if ref.Name == base.Stream && ref.Type == TypeVolume {
			return v.inheritStream(ref)
		}
	}
	return fmt.Errorf("%w: no such volume", ErrBase)
}

func (v *VolumeWriter) inheritStream(ref StreamRef) error {
	g := page.Geometry{Length: ref.Length, BlockSize: ref.BlockSize}
	if g.BlockSize != v.shape.BlockSize {
		return fmt.Errorf("%w: blocks of %d bytes, want %d", ErrBase, g.BlockSize, v.shape.BlockSize)
	}
	root, err := ref.RootName()
	if err != nil {
		return err
	}
	if err := v.tree.over(g, root); err != nil || v.tree.base == nil || len(v.writer.condemned) == 0 {
		return err
	}
	return v.tree.secure(v.data, root, g.Levels()-1, 0)
}

// Write stores one block. Blocks come in ascending order, over all of Write,
// Copy and Hole; one of zeros only is a hole. content is a whole block, or what
// is left of the volume for the last one; it may be reused when Write returns.
func (v *VolumeWriter) Write(block int64, content []byte) error {
	err := v.advance(block, block+1)
	if err == nil && int64(len(content)) != v.shape.Size(block) {
		err = fmt.Errorf("%d bytes, a block there has %d", len(content), v.shape.Size(block))
	}
	if err == nil {
		err = v.room(len(content))
	}
	if err != nil {
		return fmt.Errorf("volume %q, block %d: %w", v.name, block, err)
	}
	v.next = block + 1
	if allZero(content) {
		v.open.hole(block, block+1)
	} else {
		copy(v.open.block(block, len(content), 0), content)
	}
	return nil
}

// Copy reads the blocks from and up to, not including, to from the device, each
// at its own place, and stores them. It returns before that is done: what
// goes wrong is told by a later call. The device is read by several goroutines
// until Close returns.
func (v *VolumeWriter) Copy(device io.ReaderAt, from, to int64) error {
	err := v.advance(from, to)
	for next := from; err == nil && next < to; next = v.next {
		err = v.fill(device, next, to)
	}
	if err != nil {
		return fmt.Errorf("volume %q, blocks %d to %d: %w", v.name, from, to, err)
	}
	return nil
}

// fill puts into the open batch what it has room for; one block at least.
func (v *VolumeWriter) fill(device io.ReaderAt, from, to int64) error {
	if err := v.room(int(v.shape.Size(from))); err != nil {
		return err
	}
	number := v.open.add(device)
	for v.next = from; v.next < to && v.open.room(int(v.shape.Size(v.next))); v.next++ {
		v.open.block(v.next, int(v.shape.Size(v.next)), number)
	}
	return nil
}

// Hole says that the blocks from and up to, not including, to hold nothing,
// whatever the base has there.
func (v *VolumeWriter) Hole(from, to int64) error {
	err := v.advance(from, to)
	if err == nil {
		err = v.room(0)
	}
	if err != nil {
		return fmt.Errorf("volume %q, hole from block %d to %d: %w", v.name, from, to, err)
	}
	if from < to {
		v.open.hole(from, to)
		v.next = to
	}
	return nil
}

// advance checks that the blocks may come now.
func (v *VolumeWriter) advance(from, to int64) error {
	switch {
	case v.done:
		return errClosed
	case from < v.next || from > to || to > v.shape.Blocks():
		return fmt.Errorf("%w: the next is %d of %d", ErrOrder, v.next, v.shape.Blocks())
	}
	return v.err()
}

// Close ends the stream; it returns what a manifest refers to the stream by.
// The data is stored when the Writer's Flush or Commit has returned. After an
// error the stream's name is free again.
func (v *VolumeWriter) Close() (StreamRef, error) {
	if !v.done {
		v.done = true
		if err := v.finish(); err != nil {
			v.fail(err)
			v.writer.forget(v.name)
		} else {
			v.writer.end(v.name)
		}
	}
	if err := v.err(); err != nil {
		return StreamRef{}, fmt.Errorf("close volume %q: %w", v.name, err)
	}
	ref := StreamRef{Name: v.name, Type: TypeVolume, Levels: len(v.tree.levels), Length: v.shape.Length, BlockSize: v.shape.BlockSize}
	if root := v.tree.root; !root.IsHole() {
		ref.Root = hex.EncodeToString(root[:])
	}
	return ref, nil
}
