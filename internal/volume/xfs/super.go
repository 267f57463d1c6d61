package xfs

import (
	"io"
	"math/bits"
)

// Features that may be there.
const (
	knownRO       = 0xF // free inode, reverse map, reflink and inode count trees
	knownIncompat = 0x1FF &^ incompatRepair
	knownLog      = 0x1 // logged attributes

	incompatMetaUUID = 0x4
	incompatRepair   = 0x10
)

// super is what of the super block matters here.
type super struct {
	blockSize  int64
	sectorSize int64
	blocks     int64
	groupSize  int64 // blocks in an allocation group; the last one may have fewer
	groups     int64
	uuid       [16]byte // as metadata carries it
	logUUID    [16]byte // as the log carries it
	logStart   int64    // bytes
	logLength  int64    // bytes
}

func readSuper(r io.ReaderAt, size int64) (*super, error) {
	first := make([]byte, sector)
	if size < sector {
		return nil, ErrOther
	}
	if err := readFull(r, first, 0); err != nil {
		return nil, err
	}
	if string(first[:4]) != Magic {
		return nil, ErrOther
	}
	sectorSize := int64(be.Uint16(first[102:]))
	if version := be.Uint16(first[100:]) & 0xF; version != 5 {
		return nil, unusable("version %d", version)
	}
	if sectorSize < sector || sectorSize > 32<<10 || bits.OnesCount64(uint64(sectorSize)) != 1 || sectorSize > size {
		return nil, unusable("sectors of %d bytes", sectorSize)
	}
	raw := make([]byte, sectorSize)
	if err := readFull(r, raw, 0); err != nil {
		return nil, err
	}
	if !sumOK(raw, 224) {
		return nil, unusable("the super block's checksum is wrong")
	}
	return parseSuper(raw, size)
}

// parseSuper takes a super block's sector apart.
func parseSuper(raw []byte, size int64) (*super, error) {
	s := &super{
		blockSize:  int64(be.Uint32(raw[4:])),
		blocks:     int64(be.Uint64(raw[8:])),
		groupSize:  int64(be.Uint32(raw[84:])),
		groups:     int64(be.Uint32(raw[88:])),
		sectorSize: int64(be.Uint16(raw[102:])),
	}
	ro, incompat, log := be.Uint32(raw[212:]), be.Uint32(raw[216:]), be.Uint32(raw[220:])
	switch {
	case ro&^knownRO != 0 || incompat&^knownIncompat != 0 || log&^knownLog != 0:
		return nil, unusable("features %#x, %#x, %#x", ro, incompat, log)
	case raw[126] != 0:
		return nil, unusable("it was never finished")
	case be.Uint64(raw[16:]) != 0:
		return nil, unusable("it has a realtime part")
	}
	copy(s.uuid[:], raw[32:])
	s.logUUID = s.uuid
	if incompat&incompatMetaUUID != 0 {
		copy(s.uuid[:], raw[248:])
	}
	if err := s.checkGeometry(size); err != nil {
		return nil, err
	}
	return s, s.placeLog(be.Uint64(raw[48:]), int64(be.Uint32(raw[96:])), raw[124])
}

func (s *super) checkGeometry(size int64) error {
	switch {
	case s.blockSize < 1024 || s.blockSize > 64<<10 || bits.OnesCount64(uint64(s.blockSize)) != 1 || s.sectorSize > s.blockSize:
		return unusable("blocks of %d bytes", s.blockSize)
	case s.blocks <= 0 || s.blocks > size/s.blockSize:
		return unusable("%d blocks of %d bytes on a device of %d bytes", s.blocks, s.blockSize, size)
	case s.groupSize < 64 || s.groups <= 0 || s.groups != (s.blocks+s.groupSize-1)/s.groupSize:
		return unusable("%d groups of %d blocks for %d", s.groups, s.groupSize, s.blocks)
	}
	return nil
}

// placeLog finds the log; addresses are a group and a block in it.
func (s *super) placeLog(start uint64, blocks int64, groupBits uint8) error {
	if start == 0 {
		return unusable("its log is on another device")
	}
	if groupBits > 31 {
		return unusable("groups of 2^%d blocks", groupBits)
	}
	group, block := int64(start>>groupBits), int64(start&(1<<groupBits-1))
	if group >= s.groups || block+blocks > s.groupBlocks(group) || blocks <= 0 || blocks*s.blockSize > 1<<31 {
		return unusable("a log of %d blocks at %d of group %d", blocks, block, group)
	}
	s.logStart, s.logLength = (group*s.groupSize+block)*s.blockSize, blocks*s.blockSize
	return nil
}

// groupBlocks is the number of blocks in a group.
func (s *super) groupBlocks(group int64) int64 { return min(s.groupSize, s.blocks-group*s.groupSize) }
