package ext4

import "context"

// Kinds of blocks in the log, and flags of a tag.
const (
	kindDescriptor = 1
	kindCommit     = 2
	kindRevoke     = 5

	tagEscaped = 0x1
	tagSameID  = 0x2
	tagDeleted = 0x4
	tagLast    = 0x8
)

// logBlock is a newer version of a block, where it is in the log.
type logBlock struct {
	at       uint32
	sequence uint32
	sum      uint32
	escaped  bool
}

// scan is one walk over the log. What a transaction changes counts once its
// commit block has been seen.
type scan struct {
	*journal
	blocks  int64 // of the file system
	newer   map[int64]logBlock
	revoked map[int64]uint32 // block to the latest transaction that revoked it
	pending []pendingTag
	revokes []int64
	raw     []byte
}

type pendingTag struct {
	block int64
	at    logBlock
}

// committed walks the log once and returns, for each block of the file system,
// its latest committed version that was not revoked later.
func (j *journal) committed(ctx context.Context, blocks int64) (map[int64]logBlock, error) {
	s := &scan{journal: j, blocks: blocks, newer: map[int64]logBlock{}, revoked: map[int64]uint32{}, raw: make([]byte, j.blockSize)}
	at, sequence := j.start, j.sequence
	for steps := uint32(0); ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := j.block(at, s.raw); err != nil {
			return nil, err
		}
		if be.Uint32(s.raw) != journalMagic || be.Uint32(s.raw[8:]) != sequence {
			return s.result(), nil // the end: what follows was never committed
		}
		used, commits, err := s.one(at, sequence)
		if err != nil {
			return nil, err
		}
		if commits {
			sequence++
		}
		if steps += used; steps > j.length {
			return nil, unusable("the journal's log has no end")
		}
		for range used {
			at = j.next(at)
		}
	}
}

// one takes the block in s.raw apart. It returns how many blocks of the log it
// stands for, and whether it commits the transaction.
func (s *scan) one(at, sequence uint32) (used uint32, commits bool, err error) {
	switch kind := be.Uint32(s.raw[4:]); kind {
	case kindDescriptor:
		n, err := s.descriptor(at, sequence)
		return 1 + n, false, err
	case kindRevoke:
		return 1, false, s.revoke()
	case kindCommit:
		return 1, true, s.commit(sequence)
	default:
		return 0, false, unusable("block %d of the journal is of kind %d", at, kind)
	}
}

// descriptor notes the blocks that follow it; it returns how many.
func (s *scan) descriptor(at, sequence uint32) (uint32, error) {
	if err := s.tail(at); err != nil {
		return 0, err
	}
	end := len(s.raw)
	if s.sums() {
		end -= 4
	}
	var n uint32
	size := s.tagSize()
	for p := 12; p+size <= end; {
		t := s.parseTag(s.raw[p:])
		p += size
		if t.flags&tagSameID == 0 {
			p += 16
		}
		at = s.next(at)
		n++
		if t.block < 0 || t.block >= s.blocks || n >= s.length {
			return 0, unusable("the journal holds block %d of %d", t.block, s.blocks)
		}
		if t.flags&tagDeleted == 0 {
			s.pending = append(s.pending, pendingTag{t.block, logBlock{at: at, sequence: sequence, sum: t.sum, escaped: t.flags&tagEscaped != 0}})
		}
		if t.flags&tagLast != 0 {
			break
		}
	}
	return n, s.bounded()
}

// bounded keeps a log that was made up from filling the memory.
func (s *scan) bounded() error {
	if len(s.pending)+len(s.newer) > maxJournalEntries || len(s.revokes)+len(s.revoked) > maxJournalEntries {
		return unusable("the journal holds more than %d blocks", maxJournalEntries)
	}
	return nil
}

func (s *scan) revoke() error {
	if err := s.tail(0); err != nil {
		return err
	}
	size := 4
	if s.incompat&logIncompat64Bit != 0 {
		size = 8
	}
	end := int64(be.Uint32(s.raw[12:]))
	if end < 16 || end > int64(len(s.raw)) {
		return unusable("a revocation of %d bytes in the journal", end)
	}
	for p := 16; p+size <= int(end); p += size {
		block := int64(be.Uint32(s.raw[p:]))
		if size == 8 {
			block = int64(be.Uint64(s.raw[p:]))
		}
		s.revokes = append(s.revokes, block)
	}
	return s.bounded()
}

// commit makes the open transaction count.
func (s *scan) commit(sequence uint32) error {
	if s.sums() {
		stored := be.Uint32(s.raw[0x10:])
		clear(s.raw[0x10:0x14])
		if crc32c(s.seed, s.raw) != stored {
			return unusable("the checksum of a commit in the journal is wrong")
		}
	}
	for _, p := range s.pending {
		s.newer[p.block] = p.at
	}
	for _, block := range s.revokes {
		s.revoked[block] = sequence
	}
	s.pending, s.revokes = s.pending[:0], s.revokes[:0]
	return nil
}

// result leaves out what was revoked by its own transaction or a later one.
func (s *scan) result() map[int64]logBlock {
	for block, by := range s.revoked {
		if at, ok := s.newer[block]; ok && int32(by-at.sequence) >= 0 {
			delete(s.newer, block)
		}
	}
	return s.newer
}

// tail checks the checksum at the end of a descriptor or a revocation.
func (s *scan) tail(at uint32) error {
	if !s.sums() {
		return nil
	}
	end := s.raw[len(s.raw)-4:]
	stored := be.Uint32(end)
	clear(end)
	if crc32c(s.seed, s.raw) != stored {
		return unusable("the checksum of block %d of the journal is wrong", at)
	}
	return nil
}

type tag struct {
	block int64
	flags uint32
	sum   uint32
}

func (j *journal) tagSize() int {
	if j.incompat&logIncompatCsumV3 != 0 {
		return 16
	}
	size := 8
	if j.incompat&logIncompat64Bit != 0 {
		size += 4
	}
	if j.incompat&logIncompatCsumV2 != 0 {
		size += 2
	}
	return size
}

func (j *journal) parseTag(raw []byte) tag {
	t := tag{block: int64(be.Uint32(raw))}
	if j.incompat&logIncompatCsumV3 != 0 {
		t.flags, t.sum = be.Uint32(raw[4:]), be.Uint32(raw[12:])
	} else {
		t.sum, t.flags = uint32(be.Uint16(raw[4:])), uint32(be.Uint16(raw[6:]))
	}
	if j.incompat&logIncompat64Bit != 0 {
		t.block |= int64(be.Uint32(raw[8:])) << 32
	}
	return t
}

// content reads a newer version of a block into p and checks it.
func (j *journal) content(b logBlock, p []byte) error {
	p = p[:j.blockSize]
	if err := j.block(b.at, p); err != nil {
		return err
	}
	if j.sums() {
		var sequence [4]byte
		be.PutUint32(sequence[:], b.sequence)
		sum := crc32c(crc32c(j.seed, sequence[:]), p)
		if j.incompat&logIncompatCsumV3 == 0 {
			sum &= 0xFFFF
		}
		if sum != b.sum {
			return unusable("the checksum of block %d of the journal is wrong", b.at)
		}
	}
	if b.escaped {
		be.PutUint32(p, journalMagic)
	}
	return nil
}
