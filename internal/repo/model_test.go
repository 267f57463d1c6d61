package repo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

// TestRandomInterleavings runs backups, deletions, garbage collections,
// verifications and replications at once, on two repositories, and lets each
// make one call of its store at a time, in an order drawn from a seed. Some die
// at a call, or have its answer lost. Whatever the order, every recovery point
// that was committed and not deleted is whole at every moment, and in the end
// nothing else is left.
//
// HOLDFAST_SEEDS is how many seeds are tried, HOLDFAST_SEED the first one.
func TestRandomInterleavings(t *testing.T) {
	first, count := number(t, "HOLDFAST_SEED", 1), number(t, "HOLDFAST_SEEDS", usualSeeds)
	if testing.Short() {
		count = min(count, 100)
	}
	for seed := first; seed < first+count; seed++ {
		ok := t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed)
			synctest.Test(t, func(t *testing.T) { newWorld(t, seed).run() })
		})
		if !ok {
			t.Fatalf("HOLDFAST_SEED=%d HOLDFAST_SEEDS=1 go test -run TestRandomInterleavings ./internal/repo", seed)
		}
	}
}

func number(t *testing.T, name string, or uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// world is two repositories, those who work in them, and what must be true.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	stores  [2]*objstoretest.Memory
	calls   chan *call
	actors  int               // at work
	next    int               // number of the next actor
	done    chan *actor       // those that have ended
	points  [2]map[string]int // committed and not deleted, with their content
	deleted [2]map[string]bool
	writing [2]map[string]bool
	log     []string

	turn     int // number of the actor whose calls happen
	patience int // for about how many calls
}

// actor is somebody at work; it dies at its last call.
type actor struct {
	w     *world
	id    int
	what  string
	left  int  // calls until it dies; negative: it does not
	lost  bool // its last call has its effect
	after func(err error)
	err   error
}

// call waits for its turn.
type call struct {
	by      *actor
	op      string
	granted chan error
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, patience: 1, rng: rand.New(rand.NewPCG(seed, 0)), calls: make(chan *call, 100), done: make(chan *actor, 100)}
	for i := range w.stores {
		w.stores[i] = &objstoretest.Memory{}
		w.points[i], w.deleted[i], w.writing[i] = map[string]int{}, map[string]bool{}, map[string]bool{}
		if err := repo.Create(t.Context(), w.stores[i], testKey, repo.CreateOptions{ID: repositoryID}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// turn waits until the scheduler lets the call happen.
func (a *actor) turn(op string) error {
	c := &call{a, op, make(chan error)}
	a.w.calls <- c
	return <-c.granted
}

// store is a store of an actor.
func (a *actor) store(of objstore.Store) objstore.Store {
	return turns{of, a}
}

// turns is a store whose calls wait for their turn. Listings take one for each
// three objects, as pages do.
type turns struct {
	store objstore.Store
	actor *actor
}

var errLost = fmt.Errorf("the answer was lost: %w", errCrash)

func (s turns) do(op string, call func() error) error {
	err := s.actor.turn(op)
	if err != nil && !errors.Is(err, errLost) {
		return err
	}
	if failed := call(); failed != nil {
		return failed
	}
	return err
}

func (s turns) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return s.do("put "+name, func() error { return s.store.Put(ctx, name, r, size) })
}

func (s turns) Get(ctx context.Context, name string, offset, length int64) (body io.ReadCloser, err error) {
	err = s.do("get "+name, func() error { body, err = s.store.Get(ctx, name, offset, length); return err })
	return body, err
}

func (s turns) Stat(ctx context.Context, name string) (info objstore.Info, err error) {
	err = s.do("stat "+name, func() error { info, err = s.store.Stat(ctx, name); return err })
	return info, err
}

func (s turns) Delete(ctx context.Context, name string) error {
	return s.do("delete "+name, func() error { return s.store.Delete(ctx, name) })
}

func (s turns) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		for last := ""; ; {
			var page []objstore.Info
			err := s.do("list "+prefix, func() error {
				page = page[:0]
				for info, err := range s.store.List(ctx, prefix) {
					if err != nil || len(page) == 3 {
						return err
					}
					if info.Name > last {
						page = append(page, info)
					}
				}
				return nil
			})
			if err != nil {
				yield(objstore.Info{}, err)
				return
			}
			for _, info := range page {
				if last = info.Name; !yield(info, nil) {
					return
				}
			}
			if len(page) < 3 {
				return
			}
		}
	}
}

// spawn sets an actor to work. A fourth of them die.
func (w *world) spawn(what string, work func(a *actor) error, after func(err error)) {
	a := &actor{w: w, id: w.next, what: what, left: -1, after: after}
	if w.rng.IntN(4) == 0 {
		a.left, a.lost = w.rng.IntN(40), w.rng.IntN(2) == 0
	}
	w.next++
	w.actors++
	go func() {
		a.err = work(a)
		w.done <- a
	}()
}

func (w *world) run() {
	steps := 15 + w.rng.IntN(10)
	for steps > 0 || w.actors > 0 {
		synctest.Wait()
		w.settle()
		if w.t.Failed() {
			break
		}
		if steps > 0 && (w.actors == 0 || w.actors < 5 && w.rng.IntN(10) == 0) {
			w.begin()
			steps--
			continue
		}
		w.step()
	}
	if w.t.Failed() {
		w.t.Log(strings.Join(w.log, "\n"))
		w.drain()
		return
	}
	w.last()
}

// drain lets everybody die, so that the bubble ends.
func (w *world) drain() {
	for w.actors > 0 {
		select {
		case c := <-w.calls:
			c.granted <- errCrash
		case <-w.done:
			w.actors--
		}
	}
}

// settle takes note of those who have ended.
func (w *world) settle() {
	for {
		select {
		case a := <-w.done:
			w.actors--
			w.log = append(w.log, fmt.Sprintf("%d %s ends: %v", a.id, a.what, a.err))
			a.after(a.err)
		default:
			return
		}
	}
}

// step lets one of the waiting calls happen.
func (w *world) step() {
	var waiting []*call
	for {
		select {
		case c := <-w.calls:
			waiting = append(waiting, c)
			continue
		default:
		}
		break
	}
	if len(waiting) == 0 {
		return
	}
	slices.SortFunc(waiting, func(a, b *call) int {
		if a.by.id != b.by.id {
			return a.by.id - b.by.id
		}
		return strings.Compare(a.op, b.op)
	})
	i := slices.IndexFunc(waiting, func(c *call) bool { return c.by.id == w.turn })
	if i < 0 || w.rng.IntN(w.patience) == 0 {
		i = w.rng.IntN(len(waiting)) // somebody else: so some get far while others stand still
		w.turn = waiting[i].by.id
		w.patience = 1 + w.rng.IntN(30)
	}
	for n, c := range waiting {
		if n != i {
			w.calls <- c
		}
	}
	c := waiting[i]
	w.log = append(w.log, fmt.Sprintf("%d %s: %s", c.by.id, c.by.what, c.op))
	c.granted <- c.by.fate()
}

// fate says what becomes of a call.
func (a *actor) fate() error {
	if a.left < 0 {
		return nil
	}
	if a.left--; a.left >= 0 {
		return nil
	}
	a.left = 0
	if a.lost {
		a.lost = false
		return errLost
	}
	return errCrash
}

// begin sets somebody to work at something.
func (w *world) begin() {
	at := w.rng.IntN(2)
	if w.rng.IntN(3) > 0 {
		at = 0 // where most happens
	}
	switch w.rng.IntN(10) {
	case 0, 1, 2:
		w.backup(at)
	case 3, 4:
		w.remove(at)
	case 5, 6, 7:
		w.collect(at)
	case 8:
		w.replicate(at)
	case 9:
		w.verify(at)
	}
}

// openFor opens a repository for an actor.
func (a *actor) with(at int, work func(r *repo.Repository) error) error {
	ctx := context.Background()
	r, err := repo.Open(ctx, a.store(a.w.stores[at]), testKey)
	if err != nil {
		return err
	}
	defer r.Close()
	return work(r)
}

// contentOf is what the recovery point of that number holds: neighbouring
// numbers share most of it.
func contentOf(n int) []repo.Record {
	var out []repo.Record
	for i := range 24 {
		version := (n + i*7) / 24 // one record in 24 differs from the one before
		out = append(out, repo.Record{Key: fmt.Sprintf("key-%03d", i), Value: fmt.Appendf(nil, "value %d %d %s", i, version%3, strings.Repeat("x", 40))})
	}
	return out
}

func (w *world) backup(at int) {
	id, n := point(1000+w.next), w.rng.IntN(8)*3
	volume := w.rng.IntN(20) == 0
	w.writing[at][id] = true
	w.spawn(fmt.Sprintf("backup %d of %d", at, n), func(a *actor) error {
		return a.with(at, func(r *repo.Repository) error {
			ctx := context.Background()
			wr, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: id, PackSize: 4 << 10, Workers: 1, Uploads: 1})
			if err != nil {
				return err
			}
			defer wr.Close()
			return write(ctx, wr, contentOf(n), volume)
		})
	}, func(err error) {
		delete(w.writing[at], id)
		w.came(at, id, n, err)
	})
}

// write commits an archive, and seldom a volume too: that takes much memory.
func write(ctx context.Context, w *repo.Writer, content []repo.Record, volume bool) error {
	if volume {
		m, err := writeStreams(w, content)
		if err != nil {
			return err
		}
		return w.Commit(ctx, m)
	}
	a, err := w.Archive("objects")
	for _, record := range content {
		if err == nil {
			err = a.Add(record.Key, record.Value)
		}
	}
	if err != nil {
		return err
	}
	ref, err := a.Close()
	if err != nil {
		return err
	}
	return w.Commit(ctx, repo.Manifest{Streams: []repo.StreamRef{ref}})
}

// came notes a recovery point, if it came to be.
func (w *world) came(at int, id string, n int, err error) {
	r, failed := repo.Open(context.Background(), w.stores[at], testKey)
	if failed != nil {
		w.t.Fatal(failed)
	}
	defer r.Close()
	_, there := r.Manifest(context.Background(), id)
	switch {
	case errors.Is(err, repo.ErrVoid) && errors.Is(there, repo.ErrVoid): // wrongly believed dead
	case err != nil && !errors.Is(err, errCrash):
		w.t.Errorf("backup: %v", err)
	case there == nil:
		w.points[at][id] = n
	case err == nil:
		w.t.Errorf("recovery point %s was committed: %v", id, there)
	}
}

func (w *world) pick(at int) (string, bool) {
	ids := slices.Sorted(maps.Keys(w.points[at]))
	if len(ids) == 0 {
		return "", false
	}
	return ids[w.rng.IntN(len(ids))], true
}

func (w *world) remove(at int) {
	id, any := w.pick(at)
	if !any || w.writing[at][id] {
		return
	}
	n := w.points[at][id]
	delete(w.points[at], id)
	w.deleted[at][id] = true
	w.spawn("delete "+id, func(a *actor) error {
		return a.with(at, func(r *repo.Repository) error { return r.DeleteManifest(context.Background(), id) })
	}, func(err error) {
		if err != nil && !errors.Is(err, errCrash) {
			w.t.Errorf("delete: %v", err)
		}
		if w.stores[at].Bytes("manifests/"+id) != nil { // it died before
			w.points[at][id] = n
			delete(w.deleted[at], id)
		}
	})
}

func (w *world) collect(at int) {
	wrong := w.rng.IntN(5) == 0
	w.spawn(fmt.Sprintf("collect %d", at), func(a *actor) error {
		return a.with(at, func(r *repo.Repository) error {
			_, err := r.CollectGarbage(context.Background(), repo.GCOptions{Live: 0.8, Dead: func(id string) bool { return wrong || !w.writing[at][id] },
				Wait: func(context.Context, []string) error { return a.turn("wait") }})
			return err
		})
	}, func(err error) {
		if err != nil && !errors.Is(err, errCrash) {
			w.t.Errorf("collect garbage: %v", err)
		}
	})
}

func (w *world) replicate(at int) {
	id, any := w.pick(at)
	to := 1 - at
	if _, there := w.points[to][id]; !any || there || w.deleted[to][id] || w.writing[to][id] {
		return
	}
	n := w.points[at][id]
	w.writing[to][id] = true
	w.spawn(fmt.Sprintf("replicate %s to %d", id, to), func(a *actor) error {
		return a.with(at, func(from *repo.Repository) error {
			return a.with(to, func(r *repo.Repository) error {
				_, err := repo.Replicate(context.Background(), from, r, id, repo.ReplicateOptions{PackSize: 4 << 10, Workers: 1, Uploads: 1})
				return err
			})
		})
	}, func(err error) {
		delete(w.writing[to], id)
		gone := w.points[at][id] == 0 && w.deleted[at][id] // it was deleted meanwhile, and with it its blocks
		if gone && (errors.Is(err, repo.ErrDamaged) || errors.Is(err, repo.ErrNoRecoveryPoint)) {
			err = errCrash
		}
		w.came(to, id, n, err)
	})
}

func (w *world) verify(at int) {
	id, any := w.pick(at)
	if !any {
		return
	}
	w.spawn("verify "+id, func(a *actor) error {
		return a.with(at, func(r *repo.Repository) error { _, err := readAll(context.Background(), r, id); return err })
	}, func(err error) {
		if err != nil && !errors.Is(err, errCrash) && !w.deleted[at][id] {
			w.t.Errorf("read recovery point %s: %v", id, err)
		}
	})
}

// last looks at all that must be there, and at what is left of the rest.
func (w *world) last() {
	ctx := context.Background()
	for at, store := range w.stores {
		w.whole(at, "at the end")
		r, err := repo.Open(ctx, store, testKey)
		if err != nil {
			w.t.Fatal(err)
		}
		_, err = r.CollectGarbage(ctx, repo.GCOptions{Dead: func(string) bool { return true }})
		r.Close()
		if err != nil {
			w.t.Errorf("the last collection: %v", err)
		}
		w.whole(at, "after the last collection")
		left := append(store.Names("condemned/"), store.Names("writers/")...)
		if len(w.points[at]) == 0 {
			left = append(left, store.Names("packs/")...)
			left = append(left, store.Names("indexes/")...)
		}
		if len(left) > 0 {
			w.t.Errorf("left over: %q", left)
		}
	}
	if w.t.Failed() {
		w.t.Log(strings.Join(w.log, "\n"))
	}
}

// whole compares the recovery points with what they must hold.
func (w *world) whole(at int, when string) {
	ctx := context.Background()
	r, err := repo.Open(ctx, w.stores[at], testKey)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	for id, n := range w.points[at] {
		if err := r.Verify(ctx, id); err != nil {
			w.t.Errorf("%s, repository %d: %v", when, at, err)
			continue
		}
		m, err := r.Manifest(ctx, id)
		if err != nil {
			w.t.Error(err)
			continue
		}
		a, err := r.Archive(ctx, m.Streams[0])
		if err != nil {
			w.t.Fatal(err)
		}
		i, want := 0, contentOf(n)
		for record, err := range a.All(ctx) {
			if err != nil || record.Key != want[i].Key || string(record.Value) != string(want[i].Value) {
				w.t.Errorf("%s, repository %d, recovery point %s, record %d: %q, %v", when, at, id, i, record.Key, err)
				break
			}
			i++
		}
	}
}
