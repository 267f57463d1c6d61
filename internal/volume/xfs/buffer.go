package xfs

const (
	itemBuffer = 0x123C

	bufferCancel = 0x2
	typeShift    = 11
	typeTree     = 4 // of any kind
	typeAGF      = 5
	typeSuper    = 18

	chunk = 128 // bytes that a bit stands for
)

// aboutSpace tells from an item's first region whether it is about free space:
// a buffer with a tree or a header, or one that is cancelled, whatever it was.
func aboutSpace(format []byte) bool {
	if le.Uint16(format) != itemBuffer || len(format) < 20 {
		return le.Uint16(format) == itemBuffer // one that is cut short is looked at later
	}
	flags := le.Uint16(format[4:])
	kind := flags >> typeShift
	return flags&bufferCancel != 0 || kind == typeTree || kind == typeAGF || kind == typeSuper
}

// place is where a buffer lies, in bytes.
type place struct {
	offset, length int64
}

// buffer is a logged buffer.
type buffer struct {
	place
	cancel bool
	kind   uint16
	chunks []byte // the map: a bit for each chunk that is logged
}

func (r *recovery) parse(i item) (buffer, error) {
	f := i.regions[0]
	if len(f) < 20 || int64(len(f)) < 20+4*int64(le.Uint32(f[16:])) {
		return buffer{}, r.wrong("a buffer")
	}
	flags := le.Uint16(f[4:])
	b := buffer{place: place{int64(le.Uint64(f[8:])) * sector, int64(le.Uint16(f[6:])) * sector}, cancel: flags&bufferCancel != 0,
		kind: flags >> typeShift, chunks: f[20 : 20+4*le.Uint32(f[16:])]}
	if at := int64(le.Uint64(f[8:])); at < 0 || at > r.view.size/sector || b.offset+b.length > r.view.size {
		return b, r.wrong("a buffer")
	}
	return b, nil
}

func (r *recovery) noteCancelled(i item, _ uint64) error {
	b, err := r.parse(i)
	if err == nil && b.cancel {
		r.cancelled[b.place]++
		if len(r.cancelled) > maxMemory/64 {
			return unusable("the log holds more than is looked at")
		}
	}
	return err
}

// apply lays a buffer over the device: unless it is cancelled later, or the
// device has it already.
func (r *recovery) apply(i item, lsn uint64) error {
	b, err := r.parse(i)
	if err != nil {
		return err
	}
	if b.cancel {
		if r.cancelled[b.place]--; r.cancelled[b.place] <= 0 {
			delete(r.cancelled, b.place)
		}
		return nil
	}
	if r.cancelled[b.place] > 0 {
		return nil
	}
	if want := r.sizeOf(b.kind); b.length != want {
		return unusable("the log has a buffer of %d bytes, not %d", b.length, want)
	}
	p, changed, err := r.view.buffer(b.offset, b.length)
	if err != nil {
		return err
	}
	if !changed {
		if written, ok := r.writtenAt(p); ok && written >= lsn {
			return nil
		}
		if r.view.bytes += len(p); r.view.bytes > maxMemory {
			return unusable("the log holds more than is looked at")
		}
		r.view.newer[b.offset] = p
	}
	return r.patch(p, b, i.regions[1:])
}

// sizeOf is the size of the buffers that are looked at, in bytes.
func (r *recovery) sizeOf(kind uint16) int64 {
	if kind == typeTree {
		return r.blockSize
	}
	return r.sectorSize
}

// patch copies the logged chunks into p.
func (r *recovery) patch(p []byte, b buffer, regions [][]byte) error {
	set := func(bit int) bool { return bit < 8*len(b.chunks) && b.chunks[bit/8]>>(bit%8)&1 == 1 }
	bit := 0
	for _, region := range regions {
		for bit < 8*len(b.chunks) && !set(bit) {
			bit++
		}
		n := 0
		for set(bit+n) && (n+1)*chunk <= len(region) {
			n++
		}
		if n == 0 || (bit+n)*chunk > len(p) {
			return r.wrong("a buffer")
		}
		copy(p[bit*chunk:], region[:n*chunk])
		bit += n
	}
	for ; bit < 8*len(b.chunks); bit++ {
		if set(bit) {
			return r.wrong("a buffer")
		}
	}
	return nil
}

// writtenAt is the place in the log up to which a buffer on the device is
// written back. ok is false where it does not say so.
func (r *recovery) writtenAt(p []byte) (lsn uint64, ok bool) {
	at, uuid := 0, 0
	switch be.Uint32(p) {
	case magicByBlock, 0x41423343, 0x524D4233, 0x52334643, 0x49414233, 0x46494233: // trees of a group
		at, uuid = 24, 32
	case 0x424D4133: // the tree of a file
		at, uuid = 32, 40
	case magicAGF:
		at, uuid = 208, 64
	case 0x58465342: // super block
		at, uuid = 240, 32
	default:
		return 0, false
	}
	if len(p) < 256 {
		return 0, false
	}
	own := string(p[uuid:uuid+16]) == string(r.uuid[:])
	lsn = be.Uint64(p[at:])
	return lsn, lsn != 0 && lsn != 1<<64-1 && (own || at == 240)
}

// checkSuper refuses a log that changes the shape of the file system.
func (r *recovery) checkSuper() error {
	raw, ok := r.view.newer[0]
	if !ok {
		return nil
	}
	if int64(len(raw)) < sector {
		return r.wrong("a super block")
	}
	after, err := parseSuper(raw, r.view.size)
	if err != nil {
		return err
	}
	if *after != *r.super {
		return unusable("the log changes the file system's size")
	}
	return nil
}
