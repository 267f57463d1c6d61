package xfs

import (
	"context"
	"io"
	"sort"
)

const (
	magicRecord   = 0xFEEDBABE
	perHeader     = 32 << 10 // bytes of data that one header block describes
	maxRecord     = 256 << 10
	maxUnordered  = 8 * (maxRecord + 16*sector) / sector // blocks that may have been written out of order
	formatLinuxLE = 1
)

// log is the circular log of a file system, in blocks of 512 bytes.
type log struct {
	device io.ReaderAt
	start  int64 // bytes
	blocks int64
	uuid   [16]byte
	head   int64 // block behind the last record
	tail   int64 // block of the first record that may not be written back
	last   record
}

// record is a piece of the log as it was written at once.
type record struct {
	at     int64 // block
	blocks int64 // headers and data
	lsn    uint64
	tail   uint64
	ops    int
	header []byte // all header blocks
	length int64  // bytes of data
}

// recoverLog lays what the log holds of free space over the view.
func recoverLog(ctx context.Context, v *view, s *super) error {
	l := &log{device: v.device, start: s.logStart, blocks: s.logLength / sector, uuid: s.logUUID}
	if err := l.findHead(); err != nil {
		return err
	}
	found, err := l.findLast(ctx)
	if err != nil {
		return err
	}
	if !found { // fresh: nothing was ever logged
		return unusable("the log holds no record")
	}
	clean, err := l.unmounted()
	if err != nil || clean {
		return err
	}
	r := &recovery{super: s, view: v}
	return r.follow(ctx, l)
}

// read fills p from the log, which goes on at its start behind its end.
func (l *log) read(p []byte, block int64) error {
	for block %= l.blocks; len(p) > 0; block = 0 {
		n := min(int64(len(p)), (l.blocks-block)*sector)
		if err := readFull(l.device, p[:n], l.start+block*sector); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// cycleOf is how many times the log had been written around when this block was.
func cycleOf(block []byte) uint32 {
	if be.Uint32(block) == magicRecord {
		return be.Uint32(block[4:])
	}
	return be.Uint32(block)
}

func (l *log) cycle(block int64) (uint32, error) {
	var p [8]byte
	err := readFull(l.device, p[:], l.start+block*sector)
	return cycleOf(p[:]), err
}

// findHead finds where the cycle falls by one. Blocks before it that are still
// of the cycle before were under way: the head is where the first of them is.
func (l *log) findHead() error {
	first, err := l.cycle(0)
	if err != nil {
		return err
	}
	last, err := l.cycle(l.blocks - 1)
	if err != nil {
		return err
	}
	l.head = l.blocks
	if first != last {
		if first != last+1 {
			return unusable("the log goes from cycle %d to %d", first, last)
		}
		l.head = int64(sort.Search(int(l.blocks), func(i int) bool {
			c, e := l.cycle(int64(i))
			if e != nil {
				err = e
			}
			return c != first
		}))
		if err != nil {
			return err
		}
	}
	return l.findHoles(first)
}

// findHoles looks at the blocks before the head, as far back as writes may have
// been finished out of order.
func (l *log) findHoles(cycle uint32) error {
	n := min(int64(maxUnordered), l.blocks)
	p := make([]byte, n*sector)
	if err := l.read(p, l.head-n+l.blocks); err != nil {
		return err
	}
	for i := range n {
		want := cycle
		if l.head-n+i < 0 {
			want--
		}
		switch got := cycleOf(p[i*sector:]); {
		case got == want-1:
			l.head = (l.head - n + i + l.blocks) % l.blocks
			return nil
		case got != want:
			return unusable("the log has a block of cycle %d before its head of cycle %d", got, cycle)
		}
	}
	l.head %= l.blocks
	return nil
}

// header reads the record that begins at a block, and checks it. ok is false
// when none begins there.
func (l *log) header(block int64) (r record, ok bool, err error) {
	block %= l.blocks
	p := make([]byte, sector)
	if err := l.read(p, block); err != nil {
		return r, false, err
	}
	if be.Uint32(p) != magicRecord {
		return r, false, nil
	}
	size, length := int64(be.Uint32(p[320:])), int64(be.Uint32(p[12:]))
	headers := max((size+perHeader-1)/perHeader, 1)
	if be.Uint32(p[8:])&^2 != 0 || be.Uint32(p[300:]) != formatLinuxLE || string(p[304:320]) != string(l.uuid[:]) ||
		size < 0 || size > maxRecord || length < 0 || length > max(size, perHeader) || be.Uint64(p[16:])&0xFFFFFFFF != uint64(block) {
		return r, false, unusable("the record at block %d of the log makes no sense", block)
	}
	r = record{at: block, blocks: headers + (length+sector-1)/sector, lsn: be.Uint64(p[16:]), tail: be.Uint64(p[24:]),
		ops: int(be.Uint32(p[40:])), header: make([]byte, headers*sector), length: length}
	return r, r.blocks < l.blocks, l.read(r.header, block)
}

// findLast goes back from the head to the last record that is complete. One
// that is cut off by the head was under way.
func (l *log) findLast(ctx context.Context) (bool, error) {
	back := int64(0)
	for range l.blocks {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if back++; back > 2*maxUnordered {
			break
		}
		block := (l.head - back + l.blocks) % l.blocks
		r, ok, err := l.header(block)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		if r.blocks != back {
			l.head, back = block, 0
			continue
		}
		l.last, l.tail = r, int64(r.tail&0xFFFFFFFF)
		if l.tail >= l.blocks {
			return false, unusable("the log begins at block %d of %d", l.tail, l.blocks)
		}
		return true, nil
	}
	return false, nil
}

// data reads a record's data, checks it, and puts back what the cycle numbers
// took the place of.
func (l *log) data(r record) ([]byte, error) {
	p := make([]byte, (r.length+sector-1)/sector*sector)
	if err := l.read(p, r.at+int64(len(r.header))/sector); err != nil {
		return nil, err
	}
	if !recordSumOK(r.header, p[:r.length]) {
		return nil, unusable("the checksum of the record at block %d of the log is wrong", r.at)
	}
	for i := 0; i*sector < len(p); i++ {
		place := 44 + 4*i // in the first header
		if i >= 64 {
			place = i/64*sector + 4 + i%64*4
		}
		copy(p[i*sector:i*sector+4], r.header[place:place+4])
	}
	return p[:r.length], nil
}

// unmounted tells whether the last record says that everything was written back.
func (l *log) unmounted() (bool, error) {
	if l.last.ops != 1 {
		return false, nil
	}
	p, err := l.data(l.last)
	if err != nil || len(p) < opHeader {
		return false, err
	}
	return p[9]&opUnmount != 0, nil
}
