package repo

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// mergeAt is how many segments of about one size become one, and how much
// larger those of the next size are: a lookup asks few segments, and an entry is
// written again once for each size.
const mergeAt = 8

// smallSegment is how many entries the smallest size has.
const smallSegment = segmentEntries

// tier returns the size of a segment, from 0.
func tier(s *segment) int {
	t := 0
	for most := uint64(smallSegment); s.entries() > most; most *= mergeAt {
		t++
	}
	return t
}

// chosen returns the segments that are to become one: those that speak of packs
// that go, those that cannot be read, those made here, and those that are many
// of one size.
func (v *view) chosen(doomed map[layout.ID]bool) []*segment {
	var out []*segment
	tiers := map[int][]*segment{}
	for _, s := range v.repo.places.order {
		if v.local[s.id] || s.broken != nil || s.torn() != nil || s.speaks(doomed) {
			out = append(out, s)
			continue
		}
		tiers[tier(s)] = append(tiers[tier(s)], s)
	}
	for _, same := range tiers {
		if len(same) >= mergeAt {
			out = append(out, same...)
		}
	}
	return out
}

func (s *segment) speaks(of map[layout.ID]bool) bool {
	return slices.ContainsFunc(s.Packs, func(p index.Pack) bool { return of[p.ID] })
}

// leftover returns stored segments that others replace.
func (v *view) leftover() (ids []layout.ID) {
	for id := range v.segments {
		if _, open := v.repo.places.open[id]; !open {
			ids = append(ids, id)
		}
	}
	return ids
}

// reindex replaces the chosen segments by ones without the packs that go. Every other
// pair of a block and a pack stays listed as long as the pack is there: somebody
// may rely on this very place.
func (g *collection) reindex(ctx context.Context, v *view, chosen []*segment, doomed map[layout.ID]bool) error {
	var replaced []layout.ID
	var sources []*segment
	for _, s := range chosen {
		if !v.local[s.id] {
			replaced = append(replaced, s.id)
		}
		if s.broken == nil && s.torn() == nil {
			sources = append(sources, s)
		}
	}
	if len(chosen) > 0 {
		stored, err := v.merge(ctx, sources, replaced, doomed)
		if err != nil {
			return fmt.Errorf("merge index segments: %w", err)
		}
		g.result.Stored += stored
	}
	g.result.Replaced += len(replaced)
	for _, id := range append(replaced, v.leftover()...) {
		if err := g.repo.store.Delete(ctx, layout.Index(id)); err != nil {
			return fmt.Errorf("delete index segment: %w", err)
		}
	}
	return nil
}

// merge stores the entries of segments as one, which replaces others. Names
// have one place in a segment, so further places go into more of them, which are
// stored before.
func (v *view) merge(ctx context.Context, sources []*segment, replaced []layout.ID, doomed map[layout.ID]bool) (stored int64, err error) {
	outs := &outputs{view: v}
	defer outs.close()
	for e, err := range mergedEntries(sources) {
		if err != nil {
			return 0, err
		}
		if !doomed[e.Place.Pack] {
			if err := outs.add(e); err != nil {
				return 0, err
			}
		}
	}
	for i, o := range slices.Backward(outs.all) {
		var replaces []layout.ID
		if i == 0 {
			replaces = replaced
		}
		size, err := o.store(ctx, v, replaces)
		if err != nil {
			return stored, err
		}
		stored += size
	}
	return stored, nil
}

// outputs are the segments being made: the n-th holds the n-th places of names.
type outputs struct {
	view *view
	all  []*output
	last []index.Entry // entries of the name added last
}

type output struct {
	id     layout.ID
	file   *os.File
	writer *index.Writer
}

func (o *outputs) close() {
	for _, one := range o.all {
		closeFile(one.file)
	}
}

func (o *outputs) add(e index.Entry) error {
	if len(o.last) > 0 && o.last[0].Name != e.Name {
		o.last = o.last[:0]
	}
	if slices.ContainsFunc(o.last, func(l index.Entry) bool { return l.Place.Pack == e.Place.Pack }) {
		return nil // two segments list the same
	}
	o.last = append(o.last, e)
	if len(o.last) > len(o.all) {
		one, err := o.view.newOutput()
		if err != nil {
			return err
		}
		o.all = append(o.all, one)
	}
	w := o.all[len(o.last)-1].writer
	if size, known := o.view.packs[e.Place.Pack]; known {
		w.Pack(e.Place.Pack, uint32(size))
	}
	return w.Add(e)
}

func (v *view) newOutput() (*output, error) {
	file, err := draft()
	if err != nil {
		return nil, err
	}
	o := &output{id: layout.NewID(), file: file}
	o.writer, err = index.NewWriter(file, index.Cipher(v.repo.keys, o.id), nil)
	return o, err
}

// store puts a finished segment.
func (o *output) store(ctx context.Context, v *view, replaces []layout.ID) (int64, error) {
	for _, id := range replaces {
		o.writer.Replace(id)
	}
	if err := o.writer.Close(); err != nil {
		return 0, err
	}
	size, err := o.file.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = o.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return 0, fmt.Errorf("read temporary file: %w", err)
	}
	name := layout.Index(o.id)
	err = v.repo.store.Put(ctx, name, o.file, size)
	if errors.Is(err, objstore.ErrExists) { // an attempt whose answer was lost: see putFresh
		err = sameSize(ctx, v.repo.store, name, size)
	}
	return size, wrap(err, "store "+name)
}

// mergedEntries yields the entries of all segments in order of names.
func mergedEntries(sources []*segment) iter.Seq2[index.Entry, error] {
	return func(yield func(index.Entry, error) bool) {
		var q queue
		for _, s := range sources {
			next, stop := iter.Pull2(s.All())
			defer stop()
			if !q.push(&cursor{next: next}, yield) {
				return
			}
		}
		for len(q) > 0 {
			c := heap.Pop(&q).(*cursor)
			if !yield(c.entry, nil) || !q.push(c, yield) {
				return
			}
		}
	}
}

// cursor is where a segment is read.
type cursor struct {
	next  func() (index.Entry, error, bool)
	entry index.Entry
}

// queue is a heap of cursors, least name first.
type queue []*cursor

// push advances a cursor, and enters it when it has an entry.
func (q *queue) push(c *cursor, yield func(index.Entry, error) bool) bool {
	entry, err, more := c.next()
	if err != nil {
		yield(entry, err)
		return false
	}
	if c.entry = entry; more {
		heap.Push(q, c)
	}
	return true
}

// Len, Less, Swap, Push and Pop make a heap.
func (q queue) Len() int { return len(q) }

// Less orders by names.
func (q queue) Less(i, j int) bool {
	return bytes.Compare(q[i].entry.Name[:], q[j].entry.Name[:]) < 0
}

// Swap swaps.
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push appends.
func (q *queue) Push(c any) { *q = append(*q, c.(*cursor)) }

// Pop takes the last.
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
