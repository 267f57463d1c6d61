package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrTooSmall says that a target cannot hold the stream.
var ErrTooSmall = errors.New("the target is smaller than the volume that was backed up")

// Target is a block device or a regular file that a stream is restored to. Its
// blocks are written in any order, by several goroutines; what is never written
// reads as zeros after Finish, without taking space where that is possible.
type Target struct {
	file      *os.File
	direct    *os.File // nil for files
	size      int64    // of the device or file
	length    int64    // of the stream
	blockSize int64
	buffers   sync.Pool
	clean     bool // everything not written reads as zeros already
	mu        sync.Mutex
	written   []uint64 // a bit per block, while it is not clean
}

// OpenTarget opens path for a stream of length bytes in blocks of blockSize
// bytes. A regular file that is too short grows; a device gives ErrTooSmall.
func OpenTarget(path string, length, blockSize int64) (*Target, error) {
	if length < 0 || blockSize < alignment || blockSize%alignment != 0 {
		return nil, fmt.Errorf("open target %s: %d bytes in blocks of %d", path, length, blockSize)
	}
	t := &Target{length: length, blockSize: blockSize}
	var err error
	if t.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("open target: %w", err)
	}
	if err := t.open(path, length); err != nil {
		return nil, errors.Join(fmt.Errorf("open target %s: %w", path, err), t.Close())
	}
	return t, nil
}

func (t *Target) open(path string, length int64) error {
	block, err := kindOf(t.file)
	if err != nil {
		return err
	}
	if t.size, err = sizeOf(t.file); err != nil {
		return err
	}
	switch {
	case block && t.size < length:
		return fmt.Errorf("%w: %d of %d bytes", ErrTooSmall, t.size, length)
	case block:
		t.direct, _ = os.OpenFile(path, os.O_RDWR|unix.O_DIRECT, 0)
	case t.size < length:
		t.size = length
		err = t.file.Truncate(length)
	}
	t.unclean()
	return err
}

// unclean begins to note what is written.
func (t *Target) unclean() { t.clean, t.written = false, make([]uint64, t.size/t.blockSize/64+1) }

// Size is the size of the device or file in bytes.
func (t *Target) Size() int64 { return t.size }

// Close closes the target. Without Finish nothing is promised about it.
func (t *Target) Close() error {
	if t.direct != nil {
		t.direct.Close()
	}
	return t.file.Close()
}

// Clear makes the whole target read as zeros where that costs no writing:
// space is given back, and only in ways that promise zeros. A plain discard
// does not. Where it cannot be done, Finish sees to what was not written.
func (t *Target) Clear(ctx context.Context) error {
	const step = 64 << 30 // a device may take long; ctx is looked at in between
	for at := int64(0); at < t.size; at += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := unix.Fallocate(int(t.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, min(step, t.size-at))
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
			t.unclean()
			return nil
		}
		if err != nil {
			return fmt.Errorf("clear the target: %w", err)
		}
	}
	t.clean, t.written = true, nil
	return nil
}

// grain is the least run of zeros within a block that is left out.
const grain = 64 << 10

// WriteAt writes whole blocks, but for a short one that ends the stream; offset is
// a multiple of the block size. Long runs of zeros are left out on a clean target. p is not kept.
func (t *Target) WriteAt(p []byte, offset int64) (int, error) {
	end := offset + int64(len(p))
	if offset < 0 || offset%t.blockSize != 0 || end > t.size || end%t.blockSize != 0 && end != t.length {
		return 0, fmt.Errorf("write %d bytes at %d: not blocks of a target of %d bytes", len(p), offset, t.size)
	}
	if !t.clean {
		t.mark(offset/t.blockSize, (end+t.blockSize-1)/t.blockSize)
		return len(p), t.put(p, offset)
	}
	for from := 0; from < len(p); {
		if zero(p[from:min(from+grain, len(p))]) {
			from += grain
			continue
		}
		to := from + grain
		for to < len(p) && !zero(p[to:min(to+grain, len(p))]) {
			to += grain
		}
		to = min(to, len(p))
		if err := t.put(p[from:to], offset+int64(from)); err != nil {
			return from, err
		}
		from = to
	}
	return len(p), nil
}

// put writes past the page cache where it can, if need be out of memory that
// this takes: faster, and the memory limit is the mover's own.
func (t *Target) put(p []byte, offset int64) error {
	err := error(unix.EINVAL)
	if t.direct != nil && (offset|int64(len(p)))%alignment == 0 {
		if !aligned(p, offset) {
			buffer, _ := t.buffers.Get().([]byte)
			if len(buffer) < len(p) {
				buffer = Aligned(len(p))
			}
			defer t.buffers.Put(buffer) //nolint:staticcheck // a slice header is small beside what it saves
			p = buffer[:copy(buffer, p)]
		}
		_, err = t.direct.WriteAt(p, offset)
	}
	if errors.Is(err, unix.EINVAL) { // not so, or the device wants more than a page's alignment
		_, err = t.file.WriteAt(p, offset)
	}
	if err != nil {
		return fmt.Errorf("write %d bytes at %d: %w", len(p), offset, err)
	}
	return nil
}

// mark notes that the blocks from and up to, not including, to were written.
func (t *Target) mark(from, to int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for block := from; block < to; block++ {
		t.written[block/64] |= 1 << (block % 64)
	}
}

// Finish makes zeros of what was not written and is not zero, and waits until
// everything is on stable storage.
func (t *Target) Finish(ctx context.Context) error {
	if !t.clean {
		if err := t.zeroRest(ctx); err != nil {
			return fmt.Errorf("finish the target: %w", err)
		}
	}
	if err := t.file.Sync(); err != nil {
		return fmt.Errorf("finish the target: %w", err)
	}
	return nil
}

// zeroRest reads what was not written, and writes only where it is not zero.
func (t *Target) zeroRest(ctx context.Context) error {
	buffer := Aligned(int(t.blockSize))
	for at := int64(0); at < t.size; at += t.blockSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		if block := at / t.blockSize; t.written[block/64]>>(block%64)&1 == 1 {
			continue
		}
		p := buffer[:min(t.blockSize, t.size-at)]
		from := t.file
		if t.direct != nil && aligned(p, at) {
			from = t.direct
		}
		if n, err := from.ReadAt(p, at); n < len(p) {
			return fmt.Errorf("read %d bytes at %d: %w", len(p), at, err)
		}
		if zero(p) {
			continue
		}
		if unix.Fallocate(int(t.file.Fd()), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, at, int64(len(p))) == nil {
			continue
		}
		clear(p)
		if err := t.put(p, at); err != nil {
			return err
		}
	}
	return nil
}
