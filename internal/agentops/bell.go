package agentops

import "sync"

// Bell wakes those who wait for operations of a line in this process. It is
// only for speed: a ring may be missed, and whoever waits looks from time to
// time without one. The zero Bell is ready for use.
type Bell struct {
	mu    sync.Mutex
	lines map[string]chan struct{}
}

// Waiting returns a channel that is closed by the next Ring of the line. Get it
// before looking for operations, so that none is missed in between.
func (b *Bell) Waiting(line string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lines == nil {
		b.lines = map[string]chan struct{}{}
	}
	rung, ok := b.lines[line]
	if !ok {
		rung = make(chan struct{})
		b.lines[line] = rung
	}
	return rung
}

// Ring wakes everybody who waits for the line. Call it after the transaction
// that posted an operation has committed.
func (b *Bell) Ring(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rung, ok := b.lines[line]; ok {
		close(rung)
		delete(b.lines, line)
	}
}
