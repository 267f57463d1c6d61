package page

import "holdfast.dev/holdfast/internal/repo/internal/seal"

// VolumeFan is the number of children of a full volume page.
const VolumeFan = 256

// Sizes a volume's blocks may have: powers of two between these, in bytes.
const (
	MinBlockSize = 4 << 10
	MaxBlockSize = 4 << 20
)

// Geometry is the shape of a volume stream.
type Geometry struct {
	Length    int64 // bytes
	BlockSize int64 // bytes, a power of two
}

// Check refuses a geometry that no stream can have.
func (g Geometry) Check() error {
	if g.Length < 0 || g.Length > 1<<56 || g.BlockSize < MinBlockSize || g.BlockSize > MaxBlockSize || g.BlockSize&(g.BlockSize-1) != 0 {
		return malformed("length %d with blocks of %d", g.Length, g.BlockSize)
	}
	return nil
}

// Blocks returns the number of blocks; the last one ends with the stream.
func (g Geometry) Blocks() int64 { return (g.Length + g.BlockSize - 1) / g.BlockSize }

// Size returns the length of a block in bytes.
func (g Geometry) Size(block int64) int64 { return min(g.BlockSize, g.Length-block*g.BlockSize) }

// Levels returns the depth of the tree: 0 for a stream without blocks.
func (g Geometry) Levels() int {
	levels := 0
	for span := int64(1); g.Length > 0 && (levels == 0 || span < g.Blocks()); span *= VolumeFan {
		levels++
	}
	return levels
}

// Span returns the number of blocks below one child of a page at this level.
func Span(level int) int64 {
	span := int64(1)
	for range level {
		span *= VolumeFan
	}
	return span
}

// Children returns the number of children of the page at this level whose
// first block is first.
func (g Geometry) Children(level int, first int64) int {
	span := Span(level)
	return int(min(VolumeFan, (g.Blocks()-first+span-1)/span))
}

// AppendVolume appends a page of names: blocks at level 0, pages of the level
// below at others. A hole stands for a child that is all zeros.
func AppendVolume(dst []byte, level int, names []seal.Name) []byte {
	dst = appendHead(dst, kindVolume, level, len(names))
	for i := range names {
		dst = append(dst, names[i][:]...)
	}
	return dst
}

// ParseVolume reads a page that must be at this level with this many children.
func ParseVolume(data []byte, level, children int) ([]seal.Name, error) {
	r := seal.NewReader(data)
	count, err := head(r, kindVolume, level)
	if err != nil {
		return nil, err
	}
	if count != children || count > VolumeFan {
		return nil, malformed("%d children, want %d", count, children)
	}
	names := make([]seal.Name, count)
	for i := range names {
		names[i] = r.Name()
	}
	if r.Err() != nil {
		return nil, malformed("%w", r.Err())
	}
	return names, nil
}
