package ext4

import (
	"io"
	"math/bits"
)

// super is what of the super block matters here.
type super struct {
	blockSize       int64
	clusterBlocks   int64 // blocks in a cluster, the unit of the bitmaps: 1 but for bigalloc
	blocks          int64
	firstDataBlock  int64
	blocksPerGroup  int64
	inodesPerGroup  int64
	inodeSize       int64
	reservedGDT     int64
	firstMetaBG     int64
	descSize        int64
	groups          int64
	compat          uint32
	incompat        uint32
	ro              uint32
	state           uint16
	journalInode    uint32
	backupGroups    [2]int64 // with sparse_super2
	uuid            [16]byte
	seed            uint32 // of metadata checksums
	journalOnDevice bool   // of its own
}

// readSuper reads and checks the super block of a device of size bytes.
func readSuper(r io.ReaderAt, size int64) (*super, error) {
	raw := make([]byte, superSize)
	if size < superOffset+superSize {
		return nil, ErrOther
	}
	if err := readFull(r, raw, superOffset); err != nil {
		return nil, err
	}
	if le.Uint16(raw[0x38:]) != magic {
		return nil, ErrOther
	}
	if le.Uint32(raw[0x64:])&roMetadataCsum != 0 && crc32c(^uint32(0), raw[:0x3FC]) != le.Uint32(raw[0x3FC:]) {
		return nil, unusable("the super block's checksum is wrong")
	}
	return parseSuper(raw, size)
}

// parseSuper takes the fields apart. raw has superSize bytes.
func parseSuper(raw []byte, size int64) (*super, error) {
	s := &super{
		blocks:         int64(le.Uint32(raw[0x4:])),
		firstDataBlock: int64(le.Uint32(raw[0x14:])),
		blocksPerGroup: int64(le.Uint32(raw[0x20:])),
		inodesPerGroup: int64(le.Uint32(raw[0x28:])),
		state:          le.Uint16(raw[0x3A:]),
		inodeSize:      128,
		compat:         le.Uint32(raw[0x5C:]),
		incompat:       le.Uint32(raw[0x60:]),
		ro:             le.Uint32(raw[0x64:]),
		reservedGDT:    int64(le.Uint16(raw[0xCE:])),
		journalInode:   le.Uint32(raw[0xE0:]),
		firstMetaBG:    int64(le.Uint32(raw[0x104:])),
		backupGroups:   [2]int64{int64(le.Uint32(raw[0x24C:])), int64(le.Uint32(raw[0x250:]))},
		descSize:       32,
	}
	copy(s.uuid[:], raw[0x68:])
	s.journalOnDevice = le.Uint32(raw[0xE4:]) != 0
	if le.Uint32(raw[0x4C:]) > 0 { // revision with features and inode sizes
		s.inodeSize = int64(le.Uint16(raw[0x58:]))
	}
	if err := s.checkFeatures(); err != nil {
		return nil, err
	}
	logBlock, logCluster := le.Uint32(raw[0x18:]), le.Uint32(raw[0x1C:])
	if logBlock > 6 || s.ro&roBigalloc != 0 && (logCluster < logBlock || logCluster > 20) {
		return nil, unusable("blocks of 2^%d and clusters of 2^%d KiB", logBlock, logCluster)
	}
	s.blockSize, s.clusterBlocks = 1024<<logBlock, 1
	if s.ro&roBigalloc != 0 {
		s.clusterBlocks = 1 << (logCluster - logBlock)
	}
	if s.incompat&incompat64Bit != 0 {
		s.blocks |= int64(le.Uint32(raw[0x150:])) << 32
		s.descSize = int64(le.Uint16(raw[0xFE:]))
	}
	s.seed = crc32c(^uint32(0), s.uuid[:])
	if s.incompat&incompatCsumSeed != 0 {
		s.seed = le.Uint32(raw[0x270:])
	}
	return s, s.checkGeometry(size)
}

func (s *super) checkFeatures() error {
	switch {
	case s.incompat&^knownIncompat != 0:
		return unusable("unknown incompatible features %#x", s.incompat&^knownIncompat)
	case s.ro&^knownRO != 0:
		return unusable("unknown features %#x", s.ro&^knownRO)
	}
	return nil
}

// checkState refuses a file system whose bitmaps may be wrong.
func (s *super) checkState() error {
	switch {
	case s.state&stateError != 0:
		return unusable("it is marked as damaged")
	case s.compat&compatHasJournal == 0 && s.state&stateValid == 0:
		return unusable("it has no journal and was not unmounted")
	case s.compat&compatHasJournal == 0 && s.incompat&incompatRecover != 0:
		return unusable("it needs recovery and has no journal")
	}
	return nil
}

func (s *super) checkGeometry(size int64) error {
	perBitmap := 8 * s.blockSize * s.clusterBlocks
	switch {
	case s.blocks <= 0 || s.blocks > size/s.blockSize:
		return unusable("%d blocks of %d bytes on a device of %d bytes", s.blocks, s.blockSize, size)
	case s.firstDataBlock > 1 || s.firstDataBlock >= s.blocks:
		return unusable("first data block %d", s.firstDataBlock)
	case s.blocksPerGroup < 256 || s.blocksPerGroup > perBitmap || s.blocksPerGroup%(8*s.clusterBlocks) != 0:
		return unusable("%d blocks in a group", s.blocksPerGroup)
	case s.inodeSize < 128 || s.inodeSize > s.blockSize || bits.OnesCount64(uint64(s.inodeSize)) != 1:
		return unusable("inodes of %d bytes", s.inodeSize)
	case s.inodesPerGroup <= 0 || s.inodesPerGroup > 8*s.blockSize:
		return unusable("%d inodes in a group", s.inodesPerGroup)
	case s.descSize < 32 || s.descSize > s.blockSize || bits.OnesCount64(uint64(s.descSize)) != 1,
		s.incompat&incompat64Bit != 0 && s.descSize < 64:
		return unusable("group descriptors of %d bytes", s.descSize)
	}
	s.groups = (s.blocks - s.firstDataBlock + s.blocksPerGroup - 1) / s.blocksPerGroup
	return nil
}

func (s *super) bytes() int64 { return s.blocks * s.blockSize }

func (s *super) groupFirst(group int64) int64 { return s.firstDataBlock + group*s.blocksPerGroup }

// groupBlocks is the number of blocks of a group; the last one may be short.
func (s *super) groupBlocks(group int64) int64 {
	return min(s.blocksPerGroup, s.blocks-s.groupFirst(group))
}

func (s *super) inodeTableBlocks() int64 {
	return (s.inodesPerGroup*s.inodeSize + s.blockSize - 1) / s.blockSize
}

// hasBackup tells whether a group begins with a copy of the super block.
func (s *super) hasBackup(group int64) bool {
	switch {
	case group == 0:
		return true
	case s.compat&compatSparseSuper2 != 0:
		return group == s.backupGroups[0] || group == s.backupGroups[1]
	case group == 1 || s.ro&roSparseSuper == 0:
		return true
	case group%2 == 0:
		return false
	}
	return isPower(group, 3) || isPower(group, 5) || isPower(group, 7)
}

func isPower(n, base int64) bool {
	for n%base == 0 {
		n /= base
	}
	return n == 1
}
