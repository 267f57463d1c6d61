package extent

// Builder gathers ranges in ascending order into a Set that may be too large
// but never too small: gaps shorter than a grain are closed, and when there are
// too many ranges the grain is doubled. So memory is bounded whatever the
// volume's size and however broken up its free space is.
type Builder struct {
	grain int64
	limit int
	set   Set
}

// NewBuilder returns a builder that closes gaps shorter than grain bytes and
// keeps at most limit ranges; 16 bytes of memory each.
func NewBuilder(grain int64, limit int) *Builder {
	return &Builder{grain: max(grain, 1), limit: max(limit, 1)}
}

// Add adds [offset,offset+length). offset is not below that of an earlier call.
func (b *Builder) Add(offset, length int64) {
	if length <= 0 {
		return
	}
	if n := len(b.set); n > 0 && offset-b.set[n-1].End() < b.grain {
		last := &b.set[n-1]
		last.Length = max(last.End(), offset+length) - last.Offset
		return
	}
	b.set = append(b.set, Range{offset, length})
	for len(b.set) > b.limit {
		b.coarsen()
	}
}

// coarsen doubles the grain and closes the gaps that are now too short.
func (b *Builder) coarsen() {
	b.grain *= 2
	kept := b.set[:1]
	for _, r := range b.set[1:] {
		last := &kept[len(kept)-1]
		if r.Offset-last.End() < b.grain {
			last.Length = r.End() - last.Offset
		} else {
			kept = append(kept, r)
		}
	}
	b.set = kept
}

// Set returns what was added.
func (b *Builder) Set() Set { return b.set }
