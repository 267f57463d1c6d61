package repo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/repo/internal/frame"
	"holdfast.dev/holdfast/internal/repo/internal/index"
)

const (
	// restoreWindow is how many blocks are put in the order of packs at once;
	// it bounds the memory for that to some MB.
	restoreWindow = 32 << 10
	// restoreFrames is the least number of frames in flight: one alone would
	// wait for the store's latency. Each takes some 8 MiB.
	restoreFrames = 6
)

// Restore hands every block that is not a hole to write, in the order in which
// they are stored: each frame is fetched and opened once, several at a time.
// Neighbours of one frame are handed over together, up to 16 MiB, which a disk
// takes faster. Every byte was checked against its name. write is called by
// several goroutines at once, with each block once; the data may be used until
// it returns. The first error ends it, and is returned. atMost, which may be nil, is
// told now and then how many bytes are handed over at most, in all: the more holes
// are found, the fewer.
func (v *VolumeReader) Restore(ctx context.Context, write func(VolumeBlock) error, atMost func(bytes int64)) error {
	if atMost == nil {
		atMost = func(int64) {}
	}
	g, ctx := errgroup.WithContext(ctx)
	jobs := make(chan frameJob)
	g.Go(func() error {
		defer close(jobs)
		return v.plan(ctx, jobs, atMost)
	})
	for range max(restoreFrames, runtime.GOMAXPROCS(0)) {
		g.Go(func() error { return v.work(ctx, jobs, write) })
	}
	return ofStream(v.ref.Name, g.Wait())
}

// frameJob is a frame, and the blocks of the volume that it holds.
type frameJob struct {
	frame  frameKey
	blocks []stored
}

// stored is a block of the volume, and where it lies.
type stored struct {
	place
	at index.Place
}

func (s stored) frame() frameKey { return frameKey{s.at.Pack, s.at.Offset, s.at.Sealed} }

// plan looks blocks up, a window at a time, and gives out frames.
func (v *VolumeReader) plan(ctx context.Context, jobs chan<- frameJob, atMost func(int64)) error {
	if v.root.IsHole() {
		atMost(0)
		return nil
	}
	left, next := v.shape.Length, int64(0)
	skip := func(to int64) {
		left, next = left-(min(to*v.shape.BlockSize, v.shape.Length)-next*v.shape.BlockSize), to+1
	}
	var window []stored
	var failed error
	v.walk(ctx, v.root, v.shape.Levels()-1, 0, func(p place, err error) bool {
		var at index.Place
		if err == nil {
			at, err = v.repo.places.locate(ctx, p.name, nil)
		}
		if failed = err; err != nil {
			return false
		}
		skip(p.block)
		window = append(window, stored{p, at})
		if len(window) == restoreWindow {
			atMost(left)
			failed = giveOut(ctx, window, jobs)
			window = nil // workers still read it
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if next < v.shape.Blocks() {
		skip(v.shape.Blocks())
	}
	atMost(left)
	return giveOut(ctx, window, jobs)
}

// giveOut sorts a window and cuts it into frames.
func giveOut(ctx context.Context, window []stored, jobs chan<- frameJob) error {
	slices.SortFunc(window, func(a, b stored) int {
		return cmp.Or(bytes.Compare(a.at.Pack[:], b.at.Pack[:]), cmp.Compare(a.at.Offset, b.at.Offset),
			cmp.Compare(a.at.Sealed, b.at.Sealed), cmp.Compare(a.block, b.block))
	})
	for len(window) > 0 {
		n := 1
		for n < len(window) && window[n].frame() == window[0].frame() {
			n++
		}
		select {
		case jobs <- frameJob{window[0].frame(), window[:n]}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		window = window[n:]
	}
	return nil
}

func (v *VolumeReader) work(ctx context.Context, jobs <-chan frameJob, write func(VolumeBlock) error) error {
	codec, err := frame.NewCodec()
	if err != nil {
		return err
	}
	defer codec.Close()
	o := opener{store: v.repo.store, keys: v.repo.keys, codec: codec}
	for job := range jobs {
		opened := o.open(ctx, job.frame)
		if opened != nil && !errors.Is(opened, ErrDamaged) {
			return opened
		}
		good := opened == nil
		for len(job.blocks) > 0 {
			if job.blocks, err = v.writeNext(ctx, job.blocks, o.content, good, write); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// writeNext writes the first of the blocks, and those that follow it in the
// volume and in the frame's content, unless that is no good. It returns the rest.
func (v *VolumeReader) writeNext(ctx context.Context, blocks []stored, content []byte, good bool, write func(VolumeBlock) error) ([]stored, error) {
	n := 0
	for good && n < len(blocks) && blocks[n].follows(blocks[:n]) && v.holds(content, blocks[n]) {
		n++
	}
	first := blocks[0]
	if n == 0 { // another place may serve
		block, err := v.fetch(ctx, first.place)
		if err != nil {
			return nil, err
		}
		return blocks[1:], write(block)
	}
	start, end := first.at.Start, blocks[n-1].at.Start+blocks[n-1].at.Length
	return blocks[n:], write(VolumeBlock{Index: first.block, Offset: first.block * v.shape.BlockSize, Data: content[start:end:end]})
}

// follows reports whether a block comes right after the last of before, if there
// is one.
func (s stored) follows(before []stored) bool {
	if len(before) == 0 {
		return true
	}
	last := before[len(before)-1]
	return s.block == last.block+1 && s.at.Start == last.at.Start+last.at.Length
}

// holds reports whether the content of its frame holds a block as it should be.
func (v *VolumeReader) holds(content []byte, s stored) bool {
	start, end := uint64(s.at.Start), uint64(s.at.Start)+uint64(s.at.Length)
	return end <= uint64(len(content)) && int64(s.at.Length) == v.shape.Size(s.block) && v.repo.keys.Name(content[start:end]) == s.name
}
