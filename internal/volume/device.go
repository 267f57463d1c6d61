package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"holdfast.dev/holdfast/internal/volume/extent"
)

// alignment is what direct reads and writes need of offset, length and memory,
// whatever the device.
const alignment = 4096

// Device is a block device or a regular file that is read. It is safe for
// concurrent use.
type Device struct {
	file   *os.File
	direct *os.File // past the page cache; nil for files, where the cache helps
	refuse atomic.Bool
	size   int64
}

// Open opens a block device or a regular file.
func Open(path string) (*Device, error) {
	d := &Device{}
	var err error
	if d.file, err = os.Open(path); err != nil {
		return nil, fmt.Errorf("open volume: %w", err)
	}
	block, err := kindOf(d.file)
	if err == nil {
		d.size, err = sizeOf(d.file)
	}
	if err != nil {
		d.file.Close()
		return nil, fmt.Errorf("open volume %s: %w", path, err)
	}
	if block {
		// Large direct reads are several times faster than cached ones on a
		// block device, and leave the memory limit to the mover.
		d.direct, _ = os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	} else {
		_ = unix.Fadvise(int(d.file.Fd()), 0, 0, unix.FADV_SEQUENTIAL)
	}
	return d, nil
}

// kindOf tells block devices from regular files; anything else is an error.
func kindOf(f *os.File) (block bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return false, nil
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		return true, nil
	}
	return false, errors.New("neither a block device nor a file")
}

// sizeOf is in bytes. Seeking tells it of devices and files alike.
func sizeOf(f *os.File) (int64, error) { return f.Seek(0, io.SeekEnd) }

// Size is the volume's size in bytes when it was opened.
func (d *Device) Size() int64 { return d.size }

// Close closes the device.
func (d *Device) Close() error {
	if d.direct != nil {
		d.direct.Close()
	}
	return d.file.Close()
}

// ReadAt reads as io.ReaderAt does; fastest with memory from Aligned and
// offsets and lengths that are multiples of 4096.
func (d *Device) ReadAt(p []byte, offset int64) (int, error) {
	if d.direct != nil && !d.refuse.Load() && aligned(p, offset) {
		n, err := d.direct.ReadAt(p, offset)
		if !errors.Is(err, unix.EINVAL) {
			return n, err
		}
		d.refuse.Store(true) // it wants more than a page's alignment
	}
	return d.file.ReadAt(p, offset)
}

// Data lists what of a file is not a hole. It returns nil for block devices,
// which cannot tell.
func (d *Device) Data() (*Map, error) {
	if d.direct != nil {
		return nil, nil
	}
	f, err := os.Open(d.file.Name()) // of its own: seeking moves the position
	if err != nil {
		return nil, fmt.Errorf("holes of %s: %w", d.file.Name(), err)
	}
	defer f.Close()
	b := extent.NewBuilder(alignment, maxRanges)
	for at := int64(0); at < d.size; {
		from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // nothing but a hole up to the end
		}
		if errors.Is(err, unix.EINVAL) {
			return nil, nil // no such question here, or a device
		}
		to := from
		if err == nil {
			to, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
		}
		if err != nil {
			return nil, fmt.Errorf("holes of %s: %w", f.Name(), err)
		}
		b.Add(from, min(to, d.size)-from)
		at = to
	}
	return &Map{Ranges: b.Set(), Length: d.size}, nil
}

// Aligned returns memory of n bytes that direct reads and writes can use.
func Aligned(n int) []byte {
	raw := make([]byte, n+alignment)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % alignment
	return raw[skip : skip+uintptr(n) : skip+uintptr(n)]
}

func aligned(p []byte, offset int64) bool {
	return len(p) > 0 && (offset|int64(len(p)))%alignment == 0 && uintptr(unsafe.Pointer(unsafe.SliceData(p)))%alignment == 0
}

// maxRanges bounds the memory of a map: 16 bytes each.
const maxRanges = 1 << 20

// Map says which bytes of a volume have a property: are used, allocated, or
// changed. It may hold too much and never too little.
type Map struct {
	Ranges extent.Set
	Length int64 // what the map is about; all bytes behind it have the property
}

// on returns the set for a volume of size bytes.
func (m *Map) on(size int64) extent.Set {
	set := m.Ranges.Intersect(extent.All(min(m.Length, size)))
	if m.Length < size {
		set = set.Union(extent.All(size).Subtract(extent.All(m.Length)))
	}
	return set
}
