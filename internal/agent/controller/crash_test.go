package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
)

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// everyMoment runs a case for every write from the first to the last one that
// an undisturbed run makes; once returns how many those are.
func everyMoment(t *testing.T, moments int, one func(t *testing.T, moment int)) {
	t.Helper()
	if moments < 5 {
		t.Fatalf("a run has only %d moments", moments)
	}
	for moment := 1; moment <= moments; moment++ {
		t.Run(fmt.Sprint(moment), func(t *testing.T) {
			t.Parallel()
			one(t, moment)
		})
	}
}

// undisturbed is a copy that nobody disturbs: the measure of the others.
func undisturbed(t *testing.T) (w *crashWorld, writes, packs int, size int64) {
	t.Helper()
	w = newCrashWorld(t)
	l := w.start(0)
	w.wantCopy(l.copy())
	packs, size = w.packs()
	return w, l.writes, packs, size
}

// A controller that copies into the vault dies at every write to the API
// server; the next one ends the run, and sends nothing again.
func TestCopyDiesAtEveryWrite(t *testing.T) {
	_, writes, packs, size := undisturbed(t)
	everyMoment(t, writes, func(t *testing.T, moment int) {
		w := newCrashWorld(t)
		first := w.start(moment)
		if _, _, err := first.copy(); !first.died() {
			t.Fatalf("it lived: %v", err)
		}
		w.wantCopy(w.start(0).copy())
		if n, bytes := w.packs(); n != packs || bytes != size {
			t.Errorf("%d packs with %d bytes were sent, undisturbed %d with %d", n, bytes, packs, size)
		}
	})
}

// Controllers die one after the other, each one write later than the one
// before it.
func TestCopyDiesAgainAndAgain(t *testing.T) {
	_, _, packs, size := undisturbed(t)
	w := newCrashWorld(t)
	for moment := 1; ; moment++ {
		l := w.start(moment)
		result, warnings, err := l.copy()
		if !l.died() {
			w.wantCopy(result, warnings, err)
			break
		}
	}
	if n, bytes := w.packs(); n != packs || bytes != size {
		t.Errorf("%d packs with %d bytes were sent, undisturbed %d with %d", n, bytes, packs, size)
	}
}

// puts counts the objects that a run sends to the vault, and does something
// when the Nth was taken: before anybody learns of it.
func (w *crashWorld) puts(at int64, do func()) *atomic.Int64 {
	count := &atomic.Int64{}
	w.gate.Front(func(rw http.ResponseWriter, r *http.Request, gate http.Handler) {
		gate.ServeHTTP(rw, r)
		if r.Method == http.MethodPut && count.Add(1) == at {
			do()
		}
	})
	return count
}

// The controller dies, or the mover does, whenever an object has arrived in the
// vault. What an index tells of is not sent again: at most one pack is.
func TestCopyDiesAtEveryObject(t *testing.T) {
	w := newCrashWorld(t)
	count := w.puts(0, nil)
	w.wantCopy(w.start(0).copy())
	packs, _ := w.packs()
	for who, kill := range map[string]func(w *crashWorld, l *life){
		"controller": func(_ *crashWorld, l *life) { l.die() },
		"mover": func(w *crashWorld, _ *life) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.killMover != nil {
				w.killMover()
			}
		},
	} {
		t.Run(who, func(t *testing.T) {
			everyMoment(t, int(count.Load()), func(t *testing.T, moment int) {
				w := newCrashWorld(t)
				l := w.start(0)
				w.puts(int64(moment), func() { kill(w, l) })
				result, warnings, err := l.copy()
				if l.died() {
					result, warnings, err = w.start(0).copy()
				}
				w.wantCopy(result, warnings, err)
				if n, _ := w.packs(); n > packs+1 {
					t.Errorf("%d packs were sent, undisturbed %d", n, packs)
				}
			})
		})
	}
}

// A controller dies while it cleans up after a copy that failed. The next one
// finds helpers that are on their way out, and does not rely on them.
func TestFailedCopyDiesAtEveryWrite(t *testing.T) {
	failing := func(t *testing.T) *crashWorld {
		w := newCrashWorld(t)
		move, tries := w.cluster.Move, 0
		w.cluster.Move = func(ctx context.Context, order mover.Order) mover.Report {
			if tries++; tries <= 4 { // as often as a Job starts a pod
				return mover.Report{Problem: &agentv1.Problem{Code: mover.CodeMove, Message: "broken"}}
			}
			return move(ctx, order)
		}
		return w
	}
	w := failing(t)
	l := w.start(0)
	if _, _, err := l.copy(); err == nil {
		t.Fatal("it did not fail")
	}
	w.wantNothingLeft()
	everyMoment(t, l.writes, func(t *testing.T, moment int) {
		w := failing(t)
		first := w.start(moment)
		if _, _, err := first.copy(); !first.died() {
			t.Fatalf("it lived: %v", err)
		}
		result, warnings, err := w.start(0).copy()
		if err != nil { // its movers were those that fail
			w.wantNothingLeft()
			result, warnings, err = w.start(0).copy()
		}
		w.wantCopy(result, warnings, err)
	})
}

// A controller dies while it cleans up after a copy that was cancelled.
func TestCancelledCopyDiesAtEveryWrite(t *testing.T) {
	cancelling := func(w *crashWorld, dies int) *life {
		l := w.start(dies)
		w.puts(1, func() { l.end(errCancelled) })
		return l
	}
	w := newCrashWorld(t)
	l := cancelling(w, 0)
	if _, _, err := l.copy(); !errors.Is(context.Cause(l.ctx), errCancelled) {
		t.Fatal(err)
	}
	w.wantNothingLeft()
	for moment := range l.writes {
		t.Run(fmt.Sprint(moment+1), func(t *testing.T) {
			t.Parallel()
			w := newCrashWorld(t)
			first := cancelling(w, moment+1)
			_, _, _ = first.copy()
			again := w.start(0)
			again.end(errCancelled)
			if _, _, err := again.copy(); err == nil {
				t.Error("a cancelled copy succeeded")
			}
			w.wantNothingLeft()
			if handles := w.cluster.Handles(); len(handles) > 0 || !w.cluster.Known(w.snapshot) {
				t.Errorf("clones %v, snapshot is there: %v", handles, w.cluster.Known(w.snapshot))
			}
		})
	}
}

// A controller that restores from the vault dies at every write; whatever
// happens, the handle of the filled volume is not lost and not twice there.
func TestLoadDiesAtEveryWrite(t *testing.T) {
	w, _, _, _ := undisturbed(t)
	l := w.start(0)
	w.wantLoaded(l.load())
	everyMoment(t, l.writes, func(t *testing.T, moment int) {
		w := newCrashWorldWith(t, w.gate.Store)
		first := w.start(moment)
		if _, err := first.load(); !first.died() {
			t.Fatalf("it lived: %v", err)
		}
		w.wantLoaded(w.start(0).load())
	})
}

// Controllers that restore die one after the other, each one write later.
func TestLoadDiesAgainAndAgain(t *testing.T) {
	w, _, _, _ := undisturbed(t)
	for moment := 1; ; moment++ {
		l := w.start(moment)
		warnings, err := l.load()
		if !l.died() {
			w.wantLoaded(warnings, err)
			return
		}
	}
}

// The mover of a restore dies in the middle of a volume; what another wrote
// over it is right.
func TestLoadWhoseMoverDies(t *testing.T) {
	w, _, _, _ := undisturbed(t)
	move, tries := w.cluster.Move, 0
	w.cluster.Move = func(ctx context.Context, order mover.Order) mover.Report {
		if tries++; tries == 1 {
			ctx, cancel := context.WithCancel(ctx)
			report, _ := mover.Run(ctx, order, func(agentv1.Progress) { cancel() })
			return report
		}
		return move(ctx, order)
	}
	w.wantLoaded(w.start(0).load())
	if tries != 2 {
		t.Errorf("%d movers", tries)
	}
}
