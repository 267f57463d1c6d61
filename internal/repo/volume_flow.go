package repo

import (
	"errors"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// start lets the batches flow.
func (v *VolumeWriter) start() {
	workers := max(v.writer.options.Workers, minReads)
	count := workers + 2
	v.free, v.naming, v.order = make(chan *batch, count), make(chan *batch, count), make(chan *batch, count)
	v.end = make(chan struct{})
	for range count {
		v.free <- nil // made when needed
	}
	for range workers {
		v.writer.workers.Go(v.prepare)
	}
	v.writer.workers.Go(v.take)
}

// room opens a batch that has room for a block, sending off the one that has not.
func (v *VolumeWriter) room(size int) error {
	if v.open != nil {
		if v.open.room(size) {
			return nil
		}
		v.send()
	}
	select {
	case v.open = <-v.free:
	case <-v.writer.ctx.Done():
		return v.writer.err()
	}
	if v.open == nil {
		v.open = newBatch(max(volumeFrame, int(v.shape.BlockSize)))
	}
	return nil
}

// send passes the open batch on. The queues have room for every batch there is.
func (v *VolumeWriter) send() {
	if v.open != nil {
		v.order <- v.open
		v.naming <- v.open
		v.open = nil
	}
}

// prepare reads and names batches; several goroutines do.
func (v *VolumeWriter) prepare() {
	for {
		select {
		case b, more := <-v.naming:
			if !more {
				return
			}
			b.done <- b.prepare(v.writer.repo.keys, v.shape.BlockSize)
		case <-v.writer.ctx.Done():
			return
		}
	}
}

// take takes batches in their order.
func (v *VolumeWriter) take() {
	defer close(v.end)
	for {
		select {
		case b, more := <-v.order:
			if !more {
				return
			}
			if !v.await(b) {
				return
			}
		case <-v.writer.ctx.Done():
			return
		}
	}
}

// await waits for one batch to be named, and takes it; false when the writer
// stopped.
func (v *VolumeWriter) await(b *batch) bool {
	select {
	case err := <-b.done:
		if err == nil && v.err() == nil {
			err = v.enter(b)
		}
		if err != nil {
			v.fail(err)
		}
	case <-v.writer.ctx.Done():
		return false
	}
	b.reset()
	v.free <- b
	return true
}

// enter enters a batch into the tree, and passes on what is new of it. What was
// claimed is passed on also when the stream fails: other streams rely on it.
func (v *VolumeWriter) enter(b *batch) error {
	v.fresh = v.fresh[:0]
	var failed error
	for i := 0; i < len(b.steps) && failed == nil; i++ {
		fresh, err := v.step(&b.steps[i])
		if fresh {
			v.fresh = append(v.fresh, i)
		}
		failed = err
	}
	return errors.Join(failed, v.data.take(b, v.fresh))
}

// step enters a block or holes, and reports whether the block has to be stored.
func (v *VolumeWriter) step(s *step) (bool, error) {
	if err := v.tree.reach(s.from, s.to, v.put); err != nil {
		return false, err
	}
	if s.size == 0 {
		return false, v.tree.hole(s.from, s.to)
	}
	same, err := v.tree.same(s.from, s.name)
	if err != nil {
		return false, err
	}
	if same {
		v.writer.inherited(s.size)
		return false, nil
	}
	fresh, err := v.writer.claim(s.name, s.size)
	if err != nil {
		return false, err
	}
	return fresh, v.tree.set(0, s.from, s.name)
}

func (v *VolumeWriter) put(content []byte) (seal.Name, error) { return v.writer.put(v.data, content) }

func (v *VolumeWriter) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failed == nil {
		v.failed = err
	}
}

func (v *VolumeWriter) err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failed != nil {
		return v.failed
	}
	return v.writer.err()
}

func (v *VolumeWriter) finish() error {
	v.send()
	close(v.order)
	close(v.naming)
	<-v.end
	err := v.err()
	if err == nil {
		err = v.tree.finish(v.put)
	}
	return errors.Join(err, v.data.flush(), v.tree.pages.flush()) // also after an error; see enter
}

// zeros is compared against; the largest block is a multiple of it.
var zeros [64 << 10]byte

func allZero(content []byte) bool {
	for len(content) > 0 {
		n := min(len(content), len(zeros))
		if string(content[:n]) != string(zeros[:n]) { // compares without copying
			return false
		}
		content = content[n:]
	}
	return true
}
