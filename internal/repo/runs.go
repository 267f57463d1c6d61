package repo

import (
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// run is a frame being gathered: neighbouring new blocks of one stream.
type run struct {
	home    *runs
	content []byte
	blocks  []pack.Block
}

// runs gathers the new blocks of one stream into frames. It is for one
// goroutine, except that workers give runs back through free.
type runs struct {
	writer *Writer
	target int // bytes of content at which a frame is closed
	open   *run
	made   int
	free   chan *run // one is gathered while each worker compresses another
}

func (w *Writer) newRuns(target int) *runs {
	return &runs{writer: w, target: target, free: make(chan *run, w.options.Workers+1)}
}

// append adds a block to the open run, closing that first when it is full.
func (s *runs) append(name seal.Name, content []byte) error {
	if s.open != nil && len(s.open.content)+len(content) > s.target {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if s.open == nil {
		if err := s.next(); err != nil {
			return err
		}
	}
	s.open.content = append(s.open.content, content...)
	s.open.blocks = append(s.open.blocks, pack.Block{Name: name, Length: uint32(len(content))})
	return nil
}

// take passes on the blocks of a batch that fresh lists. When they are most of
// a frame, they become one without being copied.
func (s *runs) take(b *batch, fresh []int) error {
	total := 0
	for _, i := range fresh {
		total += b.steps[i].size
	}
	if total >= s.target/2 {
		return s.exchange(b, fresh)
	}
	for _, i := range fresh {
		one := b.steps[i]
		if err := s.append(one.name, b.content[one.start:one.start+one.size]); err != nil {
			return err
		}
	}
	return nil
}

func (s *runs) exchange(b *batch, fresh []int) error {
	if err := s.flush(); err != nil {
		return err
	}
	if s.open == nil {
		if err := s.next(); err != nil {
			return err
		}
	}
	s.open.blocks = b.keep(fresh)
	s.open.content, b.content = b.content, s.open.content
	return s.flush()
}

// next opens a run: one given back, a new one while there may be more, else it
// waits.
func (s *runs) next() error {
	select {
	case s.open = <-s.free:
	default:
		if s.made < cap(s.free) {
			s.made++
			s.open = &run{home: s, content: make([]byte, 0, s.target)}
			return nil
		}
		select {
		case s.open = <-s.free:
		case <-s.writer.ctx.Done():
			return s.writer.err()
		}
	}
	s.open.content, s.open.blocks = s.open.content[:0], nil // blocks went to the pack
	return nil
}

// flush hands the open run to the workers.
func (s *runs) flush() error {
	if s.open == nil || len(s.open.blocks) == 0 {
		return nil
	}
	w := s.writer
	w.inflight.Add(1)
	select {
	case w.work <- s.open:
		s.open = nil
		return nil
	case <-w.ctx.Done():
		w.inflight.Done()
		return w.err()
	}
}
