package repo

import (
	"encoding/hex"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// volumeFrame is the content of a volume's frames in bytes: neighbouring
// blocks are compressed together, which keeps the matches that small blocks
// would lose.
const volumeFrame = 4 << 20

// VolumeShape is the shape of a volume stream.
type VolumeShape struct {
	Length    int64 // bytes
	BlockSize int64 // bytes: a power of two from 4 KiB to 4 MiB
}

// VolumeWriter writes a stream of fixed-size blocks. It is for one goroutine.
type VolumeWriter struct {
	writer  *Writer
	name    string
	shape   page.Geometry
	data    *runs
	pages   *runs
	next    int64 // least block that may still be written
	levels  []volumeLevel
	root    seal.Name
	scratch []byte
	done    bool
}

// volumeLevel is the page of one level that is being filled.
type volumeLevel struct {
	number int64       // of the page within its level
	names  []seal.Name // of its children so far; none when no page is open
}

// Volume begins a volume stream. Its name is unique in the recovery point.
func (w *Writer) Volume(name string, shape VolumeShape) (*VolumeWriter, error) {
	g := page.Geometry(shape)
	err := g.Check()
	if err == nil {
		err = w.begin(name)
	}
	if err != nil {
		return nil, fmt.Errorf("begin volume: %w", err)
	}
	return &VolumeWriter{writer: w, name: name, shape: g, data: w.newRuns(volumeFrame), pages: w.newRuns(pageFrame),
		levels: make([]volumeLevel, g.Levels())}, nil
}

// Write stores one block. Blocks come in ascending order; those left out, and
// those of zeros only, are holes. content is a whole block, or what is left of
// the volume for the last one; it may be reused when Write returns.
func (v *VolumeWriter) Write(block int64, content []byte) error {
	if err := v.write(block, content); err != nil {
		return fmt.Errorf("volume %q, block %d: %w", v.name, block, err)
	}
	return nil
}

func (v *VolumeWriter) write(block int64, content []byte) error {
	switch {
	case v.done:
		return errClosed
	case block < v.next || block >= v.shape.Blocks():
		return fmt.Errorf("%w: the next is %d of %d", ErrOrder, v.next, v.shape.Blocks())
	case int64(len(content)) != v.shape.Size(block):
		return fmt.Errorf("%d bytes, a block there has %d", len(content), v.shape.Size(block))
	}
	v.next = block + 1
	if allZero(content) {
		return nil
	}
	name, err := v.writer.put(v.data, content)
	if err != nil {
		return err
	}
	return v.set(0, block, name)
}

// set enters a child into the page of its level, closing the one before.
func (v *VolumeWriter) set(level int, child int64, name seal.Name) error {
	l := &v.levels[level]
	if number := child / page.VolumeFan; len(l.names) > 0 && number != l.number {
		if err := v.endPage(level); err != nil {
			return err
		}
	}
	l.number = child / page.VolumeFan
	for int64(len(l.names)) < child%page.VolumeFan {
		l.names = append(l.names, seal.Hole)
	}
	l.names = append(l.names, name)
	return nil
}

// endPage stores the open page of a level, and enters it in the next.
func (v *VolumeWriter) endPage(level int) error {
	l := &v.levels[level]
	if len(l.names) == 0 {
		return nil // a hole
	}
	first := l.number * page.VolumeFan * page.Span(level)
	for len(l.names) < v.shape.Children(level, first) {
		l.names = append(l.names, seal.Hole)
	}
	v.scratch = page.AppendVolume(v.scratch[:0], level, l.names)
	l.names = l.names[:0]
	name, err := v.writer.put(v.pages, v.scratch)
	if err != nil {
		return err
	}
	if level+1 == len(v.levels) {
		v.root = name
		return nil
	}
	return v.set(level+1, l.number, name)
}

// Close ends the stream; what was not written is a hole. It returns what a
// manifest refers to the stream by. The data is stored when the Writer's Flush
// or Commit has returned.
func (v *VolumeWriter) Close() (StreamRef, error) {
	if !v.done {
		if err := v.finish(); err != nil {
			return StreamRef{}, fmt.Errorf("close volume %q: %w", v.name, err)
		}
		v.done = true
		v.writer.end(v.name)
	}
	ref := StreamRef{Name: v.name, Type: TypeVolume, Levels: len(v.levels), Length: v.shape.Length, BlockSize: v.shape.BlockSize}
	if !v.root.IsHole() {
		ref.Root = hex.EncodeToString(v.root[:])
	}
	return ref, nil
}

func (v *VolumeWriter) finish() error {
	for level := range v.levels {
		if err := v.endPage(level); err != nil {
			return err
		}
	}
	if err := v.data.flush(); err != nil {
		return err
	}
	return v.pages.flush()
}

// zeros is compared against; the largest block is a multiple of it.
var zeros [64 << 10]byte

func allZero(content []byte) bool {
	for len(content) > 0 {
		n := min(len(content), len(zeros))
		if string(content[:n]) != string(zeros[:n]) { // compares without copying
			return false
		}
		content = content[n:]
	}
	return true
}
