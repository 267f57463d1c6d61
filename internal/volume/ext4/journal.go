package ext4

import (
	"context"
	"io"
)

// Limits on what a journal may make this package remember or walk through.
const (
	maxJournalExtents = 1 << 16
	maxJournalEntries = 1 << 19 // blocks, and as many revocations
)

// Of the journal's own super block.
const (
	journalMagic = 0xC03B3998

	logIncompatRevoke = 0x1
	logIncompat64Bit  = 0x2
	logIncompatAsync  = 0x4
	logIncompatCsumV2 = 0x8
	logIncompatCsumV3 = 0x10
	logCompatChecksum = 0x1
	logKnownIncompat  = logIncompatRevoke | logIncompat64Bit | logIncompatCsumV2 | logIncompatCsumV3
)

// journal reads the log of a file system.
type journal struct {
	device    io.ReaderAt
	blockSize int64
	extents   []logExtent
	first     uint32 // block of the log behind its super block
	length    uint32 // blocks, the super block counted
	start     uint32 // where recovery begins; 0: nothing to recover
	sequence  uint32 // of the transaction there
	incompat  uint32
	seed      uint32
}

// logExtent is a run of the journal's blocks on the device.
type logExtent struct {
	logical, physical, length int64
}

// recoverJournal lays what is committed in the journal over the view, and
// returns the super block as it will be then.
func recoverJournal(ctx context.Context, v *view, s *super, size int64) (*super, error) {
	if s.compat&compatFastCommit != 0 {
		return nil, unusable("it needs recovery and has a fast-commit journal")
	}
	j, err := openJournal(v, s)
	if err != nil {
		return nil, err
	}
	if j.start == 0 {
		return s, nil
	}
	if v.newer, err = j.committed(ctx, s.blocks); err != nil {
		return nil, err
	}
	v.log = j
	block := make([]byte, s.blockSize)
	if err := v.block(superOffset/s.blockSize, block); err != nil {
		return nil, err
	}
	raw := block[superOffset%s.blockSize:][:superSize]
	if le.Uint16(raw[0x38:]) != magic {
		return nil, unusable("the journal overwrites the super block")
	}
	after, err := parseSuper(raw, size)
	if err != nil {
		return nil, err
	}
	if after.blockSize != s.blockSize || after.uuid != s.uuid {
		return nil, unusable("the journal changes the super block")
	}
	v.blocks = after.blocks
	return after, nil
}

// openJournal finds the journal and reads its super block.
func openJournal(v *view, s *super) (*journal, error) {
	if s.journalOnDevice || s.journalInode == 0 {
		return nil, unusable("it needs recovery and its journal is on another device")
	}
	extents, err := journalExtents(v, s)
	if err != nil {
		return nil, err
	}
	j := &journal{device: v.device, blockSize: s.blockSize, extents: extents}
	raw := make([]byte, s.blockSize)
	if err := j.block(0, raw); err != nil {
		return nil, err
	}
	kind := be.Uint32(raw[4:])
	if be.Uint32(raw) != journalMagic || kind != 3 && kind != 4 || int64(be.Uint32(raw[0xC:])) != s.blockSize {
		return nil, unusable("the journal's super block makes no sense")
	}
	j.length, j.first = be.Uint32(raw[0x10:]), be.Uint32(raw[0x14:])
	j.sequence, j.start = be.Uint32(raw[0x18:]), be.Uint32(raw[0x1C:])
	if kind == 4 { // with features
		if err := j.features(raw); err != nil {
			return nil, err
		}
	}
	if be.Uint32(raw[0x20:]) != 0 {
		return nil, unusable("the journal was given up after an error")
	}
	last := extents[len(extents)-1]
	if j.first == 0 || j.first >= j.length || int64(j.length) > last.logical+last.length ||
		j.start != 0 && (j.start < j.first || j.start >= j.length) {
		return nil, unusable("a journal of %d blocks, from %d, that starts at %d", j.length, j.first, j.start)
	}
	return j, nil
}

func (j *journal) features(raw []byte) error {
	j.incompat = be.Uint32(raw[0x28:])
	switch {
	case j.incompat&^logKnownIncompat != 0:
		return unusable("the journal has features %#x", j.incompat&^logKnownIncompat)
	case be.Uint32(raw[0x24:])&logCompatChecksum != 0:
		return unusable("the journal has checksums of the first kind")
	case j.incompat&logIncompatCsumV2 != 0 && j.incompat&logIncompatCsumV3 != 0:
		return unusable("the journal has two kinds of checksums")
	case be.Uint32(raw[0x40:]) > 1:
		return unusable("the journal has several users")
	}
	j.seed = crc32c(^uint32(0), raw[0x30:0x40])
	if !j.sums() {
		return nil
	}
	stored := be.Uint32(raw[0xFC:])
	sum := crc32c(^uint32(0), raw[:0xFC])
	sum = crc32c(sum, make([]byte, 4))
	if raw[0x50] != 4 || crc32c(sum, raw[0x100:0x400]) != stored {
		return unusable("the checksum of the journal's super block is wrong")
	}
	return nil
}

// sums tells whether the log has checksums.
func (j *journal) sums() bool { return j.incompat&(logIncompatCsumV2|logIncompatCsumV3) != 0 }

// block reads one block of the log into p.
func (j *journal) block(number uint32, p []byte) error {
	for _, e := range j.extents {
		if at := int64(number) - e.logical; at >= 0 && at < e.length {
			return readFull(j.device, p[:j.blockSize], (e.physical+at)*j.blockSize)
		}
	}
	return unusable("the journal has no block %d", number)
}

// next is the block of the log behind number: at the end it begins again.
func (j *journal) next(number uint32) uint32 {
	if number+1 >= j.length {
		return j.first
	}
	return number + 1
}
