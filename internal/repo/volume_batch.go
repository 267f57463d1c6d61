package repo

import (
	"fmt"
	"io"

	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// batch is a piece of a volume on its way: blocks and holes in ascending order.
type batch struct {
	content []byte
	devices []io.ReaderAt // where content is still to be read from
	steps   []step
	done    chan error // of reading and naming
}

// step is a block, or a range of holes, in a batch.
type step struct {
	from, to int64 // blocks
	start    int   // of the block in the content
	size     int   // in bytes; 0 for holes
	device   int   // number of the device to read it from, from 1; 0 when it is there
	name     seal.Name
}

func newBatch(size int) *batch {
	return &batch{content: make([]byte, 0, size), done: make(chan error, 1)}
}

// room reports whether a block of size bytes fits.
func (b *batch) room(size int) bool {
	return len(b.steps) < maxSteps && len(b.content)+size <= cap(b.content)
}

// maxSteps bounds a batch of holes, or of small blocks.
const maxSteps = 4096

func (b *batch) hole(from, to int64) {
	if n := len(b.steps); n > 0 && b.steps[n-1].size == 0 && b.steps[n-1].to == from {
		b.steps[n-1].to = to
		return
	}
	b.steps = append(b.steps, step{from: from, to: to})
}

// add notes a device, and returns its number in the batch.
func (b *batch) add(device io.ReaderAt) int {
	b.devices = append(b.devices, device)
	return len(b.devices)
}

// block makes place for a block of size bytes, to be read from a device or to
// be filled in by the caller.
func (b *batch) block(block int64, size, device int) []byte {
	start := len(b.content)
	b.content = b.content[:start+size]
	b.steps = append(b.steps, step{from: block, to: block + 1, start: start, size: size, device: device})
	return b.content[start:]
}

func (b *batch) reset() {
	clear(b.devices) // not to hold them
	b.devices, b.content, b.steps = b.devices[:0], b.content[:0], b.steps[:0]
}

// prepare reads what is to be read, and names the blocks.
func (b *batch) prepare(keys *seal.Keys, blockSize int64) error {
	if err := b.read(blockSize); err != nil {
		return err
	}
	for i := range b.steps {
		s := &b.steps[i]
		content := b.content[s.start : s.start+s.size]
		if allZero(content) {
			s.size = 0
			continue
		}
		s.name = keys.Name(content)
	}
	return nil
}

// read reads neighbouring blocks of a device at once.
func (b *batch) read(blockSize int64) error {
	for i := 0; i < len(b.steps); {
		first := b.steps[i]
		end := first.start + first.size
		for i++; i < len(b.steps) && b.steps[i].device == first.device && b.steps[i].from == b.steps[i-1].to; i++ {
			end += b.steps[i].size
		}
		if first.device == 0 {
			continue
		}
		part, offset := b.content[first.start:end], first.from*blockSize
		if n, err := b.devices[first.device-1].ReadAt(part, offset); n < len(part) {
			return fmt.Errorf("read %d bytes at %d of the volume: %w", len(part), offset, err)
		}
	}
	return nil
}

// keep drops the blocks that fresh does not list, and returns what is left.
func (b *batch) keep(fresh []int) []pack.Block {
	blocks, end := make([]pack.Block, 0, len(fresh)), 0
	for _, i := range fresh {
		s := b.steps[i]
		if s.start != end {
			copy(b.content[end:], b.content[s.start:s.start+s.size])
		}
		end += s.size
		blocks = append(blocks, pack.Block{Name: s.name, Length: uint32(s.size)})
	}
	b.content = b.content[:end]
	return blocks
}
