package repo

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// A segment is stored when this many entries wait for it, so that their memory
// is bounded and a killed writer's blocks are found by the next one.
const segmentEntries = 64 << 10

// segmentPacks is the same in packs, for large blocks: about 1 GiB.
const segmentPacks = 64

// packer gathers frames in packs, uploads full ones in parallel, and indexes
// what was uploaded.
type packer struct {
	w       *Writer
	size    int
	buffers chan []byte // one for each pack there may be at once; nil until used
	uploads sync.WaitGroup

	mu      sync.Mutex
	current *pack.Builder

	indexing sync.Mutex // one segment at a time
	stored   []packed   // uploaded, not in a segment yet
	entries  int
}

// packed is an uploaded pack.
type packed struct {
	id     layout.ID
	size   int
	frames []pack.Frame
}

func newPacker(w *Writer, options WriterOptions) *packer {
	p := &packer{w: w, size: options.PackSize, buffers: make(chan []byte, options.Uploads+1)}
	for range options.Uploads + 1 {
		p.buffers <- nil
	}
	return p
}

// add seals a frame into the current pack. It waits while all buffers are
// being uploaded.
func (p *packer) add(plain []byte, blocks []pack.Block) error {
	slot, err := p.reserve(len(plain), blocks)
	if err != nil {
		return err
	}
	slot.Seal(plain)
	return nil
}

func (p *packer) reserve(plain int, blocks []pack.Block) (pack.Slot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil {
		if slot, ok := p.current.Reserve(plain, blocks); ok {
			return slot, nil
		}
		p.close()
	}
	select {
	case buf := <-p.buffers:
		if need := max(p.size, pack.Size(plain, blocks)); cap(buf) < need {
			buf = make([]byte, 0, need)
		}
		p.current = pack.NewBuilder(p.w.repo.keys, layout.NewID(), buf)
	case <-p.w.ctx.Done():
		return pack.Slot{}, p.w.err()
	}
	slot, ok := p.current.Reserve(plain, blocks)
	if !ok {
		return pack.Slot{}, fmt.Errorf("a frame of %d bytes does not fit a pack", plain)
	}
	return slot, nil
}

// close sends the current pack off.
func (p *packer) close() {
	if b := p.current; b != nil {
		p.uploads.Go(func() { p.upload(b) })
	}
	p.current = nil
}

func (p *packer) upload(b *pack.Builder) {
	data, frames := b.Finish()
	err := p.w.err()
	if err == nil {
		err = putFresh(p.w.ctx, p.w.repo.store, layout.Pack(b.ID), data)
	}
	if err == nil {
		p.w.count(len(data))
		err = p.index(p.w.ctx, packed{id: b.ID, size: len(data), frames: frames})
	}
	if err != nil {
		p.w.cancel(err)
	}
	p.buffers <- data // has room for every buffer there is
}

// index notes an uploaded pack, and stores a segment when enough wait.
func (p *packer) index(ctx context.Context, one packed) error {
	p.indexing.Lock()
	defer p.indexing.Unlock()
	p.stored = append(p.stored, one)
	for _, f := range one.frames {
		p.entries += len(f.Blocks)
	}
	if p.entries < segmentEntries && len(p.stored) < segmentPacks {
		return nil
	}
	return p.store(ctx)
}

// flush sends the last pack off, and waits until all packs and their index are
// stored.
func (p *packer) flush(ctx context.Context) error {
	p.mu.Lock()
	p.close()
	p.mu.Unlock()
	p.uploads.Wait()
	if err := p.w.err(); err != nil {
		return err
	}
	p.indexing.Lock()
	defer p.indexing.Unlock()
	return p.store(ctx)
}

// store writes a segment of all packs that wait for one.
func (p *packer) store(ctx context.Context) error {
	if len(p.stored) == 0 {
		return nil
	}
	id := layout.NewID()
	data, entries, err := p.encode(id)
	if err != nil {
		return err
	}
	if err := putFresh(ctx, p.w.repo.store, layout.Index(id), data); err != nil {
		return err
	}
	p.w.count(len(data))
	if err := p.w.repo.places.adopt(id, data); err != nil {
		return err
	}
	p.w.release(entries)
	p.stored, p.entries = nil, 0
	return nil
}

func (p *packer) encode(id layout.ID) ([]byte, []index.Entry, error) {
	var out bytes.Buffer
	w, err := index.NewWriter(&out, index.Cipher(p.w.repo.keys, id), nil)
	if err != nil {
		return nil, nil, err
	}
	entries := make([]index.Entry, 0, p.entries)
	for _, one := range p.stored {
		w.Pack(one.id, uint32(one.size))
		entries = one.appendEntries(entries)
	}
	slices.SortFunc(entries, func(a, b index.Entry) int { return bytes.Compare(a.Name[:], b.Name[:]) })
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			return nil, nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, nil, err
	}
	return out.Bytes(), entries, nil
}

func (one packed) appendEntries(dst []index.Entry) []index.Entry {
	for _, f := range one.frames {
		start := uint32(0)
		for _, b := range f.Blocks {
			dst = append(dst, index.Entry{Name: b.Name, Place: index.Place{
				Pack: one.id, Offset: f.Offset, Sealed: f.Length, Start: start, Length: b.Length}})
			start += b.Length
		}
	}
	return dst
}

func (w *Writer) count(stored int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.BytesStored += int64(stored)
}

// release forgets blocks that the index now finds.
func (w *Writer) release(entries []index.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range entries {
		delete(w.claimed, entries[i].Name)
	}
}
