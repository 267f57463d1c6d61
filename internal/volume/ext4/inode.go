package ext4

const (
	extentMagic     = 0xF30A
	maxExtentDepth  = 5
	inodeHasExtents = 0x80000
)

// readInode returns the bytes of an inode.
func readInode(v *view, s *super, inode int64) ([]byte, error) {
	index := inode - 1
	number := index / s.inodesPerGroup
	if index < 0 || number >= s.groups {
		return nil, unusable("there is no inode %d", inode)
	}
	block := make([]byte, s.blockSize)
	perBlock := s.blockSize / s.descSize
	if err := v.block(s.descriptorBlock(number/perBlock), block); err != nil {
		return nil, err
	}
	g, err := s.parseGroup(number, block[number%perBlock*s.descSize:][:s.descSize])
	if err != nil {
		return nil, err
	}
	at := index % s.inodesPerGroup * s.inodeSize
	if err := v.block(g.inodeTable+at/s.blockSize, block); err != nil {
		return nil, err
	}
	return block[at%s.blockSize:][:s.inodeSize], nil
}

// journalExtents lists where the journal's blocks are, from its inode. The
// inode is never in the journal itself, so it is read as it is on the device.
func journalExtents(v *view, s *super) ([]logExtent, error) {
	inode, err := readInode(v, s, int64(s.journalInode))
	if err != nil {
		return nil, err
	}
	if le.Uint32(inode[0x20:])&inodeHasExtents == 0 {
		return nil, unusable("it needs recovery and its journal is mapped block by block")
	}
	t := tree{view: v}
	if err := t.node(inode[0x28:0x64], -1); err != nil {
		return nil, err
	}
	if len(t.extents) == 0 {
		return nil, unusable("the journal is empty")
	}
	return t.extents, nil
}

// tree gathers the leaves of an extent tree.
type tree struct {
	view    *view
	extents []logExtent
	nodes   int
}

// node reads one node; depth is what its parent makes it, -1 for the root.
func (t *tree) node(raw []byte, depth int) error {
	entries, own := int(le.Uint16(raw[2:])), int(le.Uint16(raw[6:]))
	t.nodes++
	if le.Uint16(raw) != extentMagic || own > maxExtentDepth || depth >= 0 && own != depth ||
		12+12*entries > len(raw) || t.nodes > maxJournalExtents {
		return unusable("the journal's extents make no sense")
	}
	for i := range entries {
		entry := raw[12+12*i:][:12]
		if own == 0 {
			if err := t.leaf(entry); err != nil {
				return err
			}
			continue
		}
		child := make([]byte, t.view.blockSize)
		at := int64(le.Uint32(entry[4:])) | int64(le.Uint16(entry[8:]))<<32
		if err := t.view.block(at, child); err != nil {
			return err
		}
		if err := t.node(child, own-1); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) leaf(entry []byte) error {
	e := logExtent{
		logical:  int64(le.Uint32(entry)),
		length:   int64(le.Uint16(entry[4:])),
		physical: int64(le.Uint32(entry[8:])) | int64(le.Uint16(entry[6:]))<<32,
	}
	var next int64
	if n := len(t.extents); n > 0 {
		next = t.extents[n-1].logical + t.extents[n-1].length
	}
	if e.length == 0 || e.length > 1<<15 || e.logical != next || e.physical <= 0 || e.physical+e.length > t.view.blocks ||
		len(t.extents) >= maxJournalExtents {
		return unusable("the journal's extents make no sense")
	}
	t.extents = append(t.extents, e)
	return nil
}
