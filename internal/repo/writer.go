package repo

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"holdfast.dev/holdfast/internal/repo/internal/frame"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// WriterOptions say what is written, and with how much of the machine.
type WriterOptions struct {
	RecoveryPoint string // 32 lower-case hex digits; its manifest is what Commit writes
	// PackSize is the size in bytes at which a pack is closed; 0 means 16 MiB,
	// at most 32 MiB. Memory is about PackSize * (Uploads + 1).
	PackSize int
	Workers  int // goroutines that compress and seal; 0 means GOMAXPROCS
	Uploads  int // packs uploaded at once; 0 means 3
}

func (o *WriterOptions) complete() error {
	if o.PackSize == 0 {
		o.PackSize = 16 << 20
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Uploads == 0 {
		o.Uploads = 3
	}
	if o.PackSize < 4<<10 || o.PackSize > 32<<20 || o.Workers < 1 || o.Uploads < 1 {
		return fmt.Errorf("impossible writer options: packs of %d bytes, %d workers, %d uploads", o.PackSize, o.Workers, o.Uploads)
	}
	return nil
}

// Stats counts what a Writer did.
type Stats struct {
	Blocks      int64 // blocks handed in, pages included
	BytesIn     int64 // their bytes
	NewBlocks   int64 // blocks that were not in the repository yet
	BytesStored int64 // bytes of packs and index segments stored
}

// errClosed is why a Writer stopped when nothing failed.
var errClosed = errors.New("writer is closed")

// Writer writes the streams of one recovery point. Several streams may be
// written at once, each by one goroutine. Blocks that are in the repository
// already are not stored again, also those of a Writer that was killed.
type Writer struct {
	repo     *Repository
	point    layout.ID
	options  WriterOptions
	ctx      context.Context
	cancel   context.CancelCauseFunc
	work     chan *run
	inflight sync.WaitGroup // runs handed to workers
	workers  sync.WaitGroup
	packs    *packer
	// condemned packs are about to be deleted, or not there; their blocks are stored again.
	condemned map[layout.ID]bool

	mu      sync.Mutex
	claimed map[seal.Name]struct{} // new blocks on their way into a stored index segment
	streams map[string]bool        // name to "closed"
	stats   Stats
}

// NewWriter announces that the recovery point is being written, and loads the
// index. ctx governs all of the writer's work; Close ends it.
func (r *Repository) NewWriter(ctx context.Context, options WriterOptions) (*Writer, error) {
	point, err := layout.ParseID(options.RecoveryPoint)
	if err == nil {
		err = options.complete()
	}
	if err == nil {
		err = r.announce(ctx, point)
	}
	var unwanted map[layout.ID]bool
	if err == nil {
		unwanted, err = r.unwanted(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("begin writing recovery point %s: %w", options.RecoveryPoint, err)
	}
	return r.newWriter(ctx, point, unwanted, options), nil
}

// newWriter starts a writer that does not rely on the packs not wanted.
func (r *Repository) newWriter(ctx context.Context, point layout.ID, unwanted map[layout.ID]bool, options WriterOptions) *Writer {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &Writer{repo: r, point: point, options: options, ctx: ctx, cancel: cancel, work: make(chan *run),
		condemned: unwanted, claimed: map[seal.Name]struct{}{}, streams: map[string]bool{}}
	w.packs = newPacker(w, options)
	for range options.Workers {
		w.workers.Go(w.compress)
	}
	return w
}

// Close stops the writer's work and waits for it to end. What was not
// committed is no recovery point; its stored blocks serve the next Writer.
func (w *Writer) Close() error {
	w.cancel(errClosed)
	w.workers.Wait()
	w.packs.uploads.Wait()
	return nil
}

// Stats returns the counts so far.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// fail stops the writer for good and returns the first cause.
func (w *Writer) fail(err error) error {
	w.cancel(err)
	return w.err()
}

// err returns why the writer stopped; nil while it works.
func (w *Writer) err() error {
	if w.ctx.Err() == nil {
		return nil
	}
	return context.Cause(w.ctx)
}

// begin opens a stream name.
func (w *Writer) begin(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, taken := w.streams[name]; taken || name == "" {
		return fmt.Errorf("stream %q: %w", name, ErrConflict)
	}
	w.streams[name] = false
	return w.err()
}

func (w *Writer) end(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streams[name] = true
}

// forget frees the name of a stream that failed.
func (w *Writer) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.streams, name)
}

// inherited counts a block that the base has at the same place.
func (w *Writer) inherited(size int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Blocks++
	w.stats.BytesIn += int64(size)
}

// put names a block and, when it is new, appends it to the open run of its
// stream. content is copied.
func (w *Writer) put(s *runs, content []byte) (seal.Name, error) {
	name := w.repo.keys.Name(content)
	fresh, err := w.claim(name, len(content))
	if err != nil {
		return seal.Name{}, w.fail(err)
	}
	if fresh {
		err = s.append(name, content)
	}
	return name, err
}

// claim reports whether the caller has to store the block. Of several callers
// with the same block, one has to.
func (w *Writer) claim(name seal.Name, size int) (bool, error) {
	w.mu.Lock()
	w.stats.Blocks++
	w.stats.BytesIn += int64(size)
	_, taken := w.claimed[name]
	if !taken {
		w.claimed[name] = struct{}{}
	}
	w.mu.Unlock()
	if taken {
		return false, w.err()
	}
	_, found, err := w.repo.places.find(name, w.condemned)
	if errors.Is(err, ErrDamaged) {
		err = nil // what a damaged segment may know is stored again
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if found || err != nil {
		delete(w.claimed, name)
		return false, err
	}
	w.stats.NewBlocks++
	return true, w.err()
}

// compress takes runs until the writer ends.
func (w *Writer) compress() {
	codec, err := frame.NewCodec()
	if err != nil {
		w.cancel(err)
		return
	}
	defer codec.Close()
	var plain []byte
	for {
		select {
		case <-w.ctx.Done():
			return
		case r := <-w.work:
			plain, err = codec.Encode(plain[:0], r.content)
			if err == nil {
				err = w.packs.add(plain, r.blocks)
			}
			if err != nil {
				w.cancel(err)
			}
			r.home.free <- r // has room for every run there is
			w.inflight.Done()
		}
	}
}
