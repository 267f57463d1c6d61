package ext4

// group is one group descriptor.
type group struct {
	number      int64
	blockBitmap int64
	inodeBitmap int64
	inodeTable  int64
	freeUnits   int64 // free blocks; free clusters with bigalloc
	flags       uint16
	bitmapCsum  uint32
}

const flagBlockUninit = 0x2 // the block bitmap was never written: nothing but metadata is in use

// descriptorBlock is where descriptor block number n lies.
func (s *super) descriptorBlock(n int64) int64 {
	if s.incompat&incompatMetaBG == 0 || n < s.firstMetaBG {
		return superOffset/s.blockSize + 1 + n
	}
	first := n * (s.blockSize / s.descSize)
	at := s.groupFirst(first)
	if s.hasBackup(first) {
		at++
	}
	if s.blockSize == superOffset && n == 0 && s.firstDataBlock == 0 {
		at++
	}
	return at
}

// parseGroup takes one descriptor apart and checks it; raw has descSize bytes.
func (s *super) parseGroup(number int64, raw []byte) (group, error) {
	g := group{
		number:      number,
		blockBitmap: int64(le.Uint32(raw[0:])),
		inodeBitmap: int64(le.Uint32(raw[4:])),
		inodeTable:  int64(le.Uint32(raw[8:])),
		freeUnits:   int64(le.Uint16(raw[0xC:])),
		flags:       le.Uint16(raw[0x12:]),
		bitmapCsum:  uint32(le.Uint16(raw[0x18:])),
	}
	if s.descSize >= 64 {
		g.blockBitmap |= int64(le.Uint32(raw[0x20:])) << 32
		g.inodeBitmap |= int64(le.Uint32(raw[0x24:])) << 32
		g.inodeTable |= int64(le.Uint32(raw[0x28:])) << 32
		g.freeUnits |= int64(le.Uint16(raw[0x2C:])) << 16
		g.bitmapCsum |= uint32(le.Uint16(raw[0x38:])) << 16
	}
	if !s.descriptorSumOK(number, raw) {
		return g, unusable("the checksum of group descriptor %d is wrong", number)
	}
	for _, at := range []int64{g.blockBitmap, g.inodeBitmap, g.inodeTable} {
		if at <= 0 || at >= s.blocks {
			return g, unusable("group %d has metadata at block %d of %d", number, at, s.blocks)
		}
	}
	return g, nil
}

func (s *super) descriptorSumOK(number int64, raw []byte) bool {
	var index [4]byte
	le.PutUint32(index[:], uint32(number))
	stored := le.Uint16(raw[0x1E:])
	switch {
	case s.ro&roMetadataCsum != 0:
		sum := crc32c(crc32c(s.seed, index[:]), raw[:0x1E])
		sum = crc32c(sum, []byte{0, 0})
		return uint16(crc32c(sum, raw[0x20:])) == stored
	case s.ro&roGDTCsum != 0:
		sum := crc16(crc16(crc16(^uint16(0), s.uuid[:]), index[:]), raw[:0x1E])
		return crc16(sum, raw[0x20:]) == stored
	}
	return true
}

// neverWritten tells whether the group's bitmap is implied, not stored.
func (s *super) neverWritten(g group) bool {
	return g.flags&flagBlockUninit != 0 && s.ro&(roGDTCsum|roMetadataCsum) != 0
}

// bitmapSumOK checks a block bitmap against its descriptor.
func (s *super) bitmapSumOK(g group, bitmap []byte) bool {
	if s.ro&roMetadataCsum == 0 {
		return true
	}
	sum := crc32c(s.seed, bitmap[:s.blocksPerGroup/s.clusterBlocks/8])
	if s.descSize < 64 {
		sum &= 0xFFFF
	}
	return sum == g.bitmapCsum
}

// leadBlocks is how many blocks at the start of a group hold super block and
// group descriptors. It may be more than there are, never less.
func (s *super) leadBlocks(number int64) int64 {
	perBlock := s.blockSize / s.descSize
	descBlock := number / perBlock
	var lead int64
	if s.hasBackup(number) {
		lead = 1
	}
	if s.incompat&incompatMetaBG == 0 || descBlock < s.firstMetaBG {
		if lead == 0 {
			return 0
		}
		return 2 + (s.groups+perBlock-1)/perBlock + s.reservedGDT
	}
	if in := number % perBlock; in < 2 || in == perBlock-1 {
		lead++
	}
	return lead
}
