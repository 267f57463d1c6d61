package xfs

const (
	magicAGF     = 0x58414746 // XAGF
	magicByBlock = 0x41423342 // AB3B: free space by block number
	treeHeader   = 56         // bytes
	noSibling    = 0xFFFFFFFF
	maxLevels    = 9
)

// tree walks the free space of a group.
type tree struct {
	*super
	view   *view
	group  int64
	blocks int64
	free   int64 // blocks seen
	at     int64 // behind the last free extent
	seen   int64 // nodes
}

// walk goes down the left edge and then along the leaves. found is called for
// each free extent, before at is behind it.
func (t *tree) walk(root int64, levels int, found func(first int64)) error {
	if levels < 1 || levels > maxLevels {
		return t.wrong()
	}
	block := root
	for level := levels - 1; level > 0; level-- {
		node, records, err := t.node(block, level)
		if err != nil {
			return err
		}
		most := (len(node) - treeHeader) / 12
		if records < 1 || records > most {
			return t.wrong()
		}
		block = int64(be.Uint32(node[treeHeader+8*most:]))
	}
	for block != noSibling {
		leaf, records, err := t.node(block, 0)
		if err != nil {
			return err
		}
		if records > (len(leaf)-treeHeader)/8 {
			return t.wrong()
		}
		for i := range records {
			r := leaf[treeHeader+8*i:]
			first, count := int64(be.Uint32(r)), int64(be.Uint32(r[4:]))
			if first < t.at || count == 0 || first+count > t.blocks {
				return t.wrong()
			}
			found(first)
			t.at = first + count
			t.free += count
		}
		block = int64(be.Uint32(leaf[12:]))
	}
	return nil
}

func (t *tree) node(block int64, level int) (node []byte, records int, err error) {
	if t.seen++; block >= t.blocks || t.seen > t.blocks {
		return nil, 0, t.wrong()
	}
	offset := (t.group*t.groupSize + block) * t.blockSize
	node, changed, err := t.view.buffer(offset, t.blockSize)
	if err != nil {
		return nil, 0, err
	}
	if be.Uint32(node) != magicByBlock || int(be.Uint16(node[4:])) != level || int64(be.Uint64(node[16:]))*sector != offset ||
		string(node[32:48]) != string(t.uuid[:]) || int64(be.Uint32(node[48:])) != t.group {
		return nil, 0, t.wrong()
	}
	if !changed && !sumOK(node, 52) {
		return nil, 0, unusable("the checksum of block %d of group %d is wrong", block, t.group)
	}
	return node, int(be.Uint16(node[6:])), nil
}

func (t *tree) wrong() error { return unusable("the free space of group %d makes no sense", t.group) }
