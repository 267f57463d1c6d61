package csi

import (
	"fmt"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// extent is a run of bytes of a file and where the pool keeps it. Two files
// that share a run have the same place for it; a place is not used again while
// any file still holds it.
type extent struct {
	Offset, Length int64
	place          uint64
}

func (e extent) end() int64 { return e.Offset + e.Length }

const (
	fsIocFiemap    = 0xC020660B // ioctl FS_IOC_FIEMAP
	fiemapFlagSync = 1          // write out what is not on disk yet
	flagLast       = 0x1
	flagUnknown    = 0x2 // place not known, such as delayed allocation
	flagEncoded    = 0x8 // compressed or such: place says nothing
	flagUnwritten  = 0x800
	extentsPerCall = 256
	wholeFile      = ^uint64(0)
)

type fiemapExtent struct {
	logical, physical, length uint64
	_                         [2]uint64
	flags                     uint32
	_                         [3]uint32
}

type fiemapRequest struct {
	start, length                uint64
	flags, mapped, count, unused uint32
	extents                      [extentsPerCall]fiemapExtent
}

// allocated lists the runs of file that hold written data, in order and cut at
// size. Holes and space that was only reserved are zeros and not listed.
func allocated(file string, size int64) ([]extent, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []extent
	var start uint64
	for {
		request := fiemapRequest{start: start, length: wholeFile - start, flags: fiemapFlagSync, count: extentsPerCall}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fsIocFiemap, uintptr(unsafe.Pointer(&request))); errno != 0 {
			return nil, fmt.Errorf("map %s: %w", file, errno)
		}
		for _, e := range request.extents[:request.mapped] {
			if e.flags&(flagUnknown|flagEncoded) != 0 {
				return nil, fmt.Errorf("map %s: the place of offset %d is not known", file, e.logical)
			}
			start = e.logical + e.length
			length := min(int64(e.length), size-int64(e.logical))
			if e.flags&flagUnwritten == 0 && length > 0 {
				all = append(all, extent{Offset: int64(e.logical), Length: length, place: e.physical})
			}
			if e.flags&flagLast != 0 {
				return all, nil
			}
		}
		if request.mapped == 0 {
			return all, nil
		}
	}
}

// changed lists the runs in which target may differ from base: bytes that lie
// at another place, or exist in one of the two only. Neighbouring runs are
// joined. Both lists are in order.
func changed(base, target []extent) []extent {
	var all []extent
	add := func(from, to int64) {
		if n := len(all); n > 0 && all[n-1].end() == from {
			all[n-1].Length = to - all[n-1].Offset
		} else {
			all = append(all, extent{Offset: from, Length: to - from})
		}
	}
	var at int64
	for len(base) > 0 || len(target) > 0 {
		base, target = dropBefore(base, at), dropBefore(target, at)
		b, inBase, bUntil := look(base, at)
		t, inTarget, tUntil := look(target, at)
		until := min(bUntil, tUntil)
		if until == maxOffset {
			break
		}
		same := inBase == inTarget && (!inBase || b == t)
		if !same {
			add(at, until)
		}
		at = until
	}
	return all
}

const maxOffset = int64(math.MaxInt64)

func dropBefore(list []extent, at int64) []extent {
	for len(list) > 0 && list[0].end() <= at {
		list = list[1:]
	}
	return list
}

// look tells where the byte at offset at lies, whether it is there at all, and
// up to which offset that answer holds.
func look(list []extent, at int64) (place uint64, there bool, until int64) {
	switch {
	case len(list) == 0:
		return 0, false, maxOffset
	case list[0].Offset > at:
		return 0, false, list[0].Offset
	default:
		return list[0].place + uint64(at-list[0].Offset), true, list[0].end()
	}
}
