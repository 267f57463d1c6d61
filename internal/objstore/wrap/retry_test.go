package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

var quick = wrap.Retries{Attempts: 4, First: time.Microsecond, Longest: time.Microsecond}

func TestRetryKeepsTheContract(t *testing.T) {
	objstoretest.Run(t, func(*testing.T) objstore.Store { return wrap.Retry(&objstoretest.Memory{}, quick) })
}

func TestFlakyStoreBehindRetryKeepsTheContract(t *testing.T) {
	objstoretest.Run(t, func(*testing.T) objstore.Store {
		return wrap.Retry(objstoretest.NewFlaky(&objstoretest.Memory{}), quick)
	})
}

func TestRetryGivesUp(t *testing.T) {
	calls := 0
	down := objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault {
		calls++
		return objstoretest.Fault{Before: objstore.ErrUnavailable}
	})
	_, err := wrap.Retry(down, quick).Stat(t.Context(), "a")
	if !errors.Is(err, objstore.ErrUnavailable) || calls != 4 || !strings.Contains(err.Error(), "4 attempts") {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestRetryDoesNotRepeatWhatIsFinal(t *testing.T) {
	for _, final := range []error{objstore.ErrExists, objstore.ErrForbidden, objstore.ErrNotFound, objstore.ErrNoBucket, errors.New("odd")} {
		calls := 0
		s := wrap.Retry(objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault {
			calls++
			return objstoretest.Fault{Before: final}
		}), quick)
		if err := s.Put(t.Context(), "a", strings.NewReader("x"), 1); !errors.Is(err, final) || calls != 1 {
			t.Errorf("%v: %d calls, %v", final, calls, err)
		}
	}
}

func TestRetryStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		down := objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault {
			return objstoretest.Fault{Before: objstore.ErrUnavailable}
		})
		start := time.Now()
		err := wrap.Retry(down, wrap.Retries{Attempts: 100}).Delete(ctx, "a")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, objstore.ErrUnavailable) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestRetryWaitsLongerEachTimeWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		down := objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault {
			at = append(at, time.Now())
			return objstoretest.Fault{Before: objstore.ErrUnavailable}
		})
		_ = wrap.Retry(down, wrap.Retries{Attempts: 8, First: time.Second, Longest: 5 * time.Second}).Delete(t.Context(), "a")
		for i, longest := range []time.Duration{1, 2, 4, 5, 5, 5, 5} {
			longest *= time.Second
			if wait := at[i+1].Sub(at[i]); wait > longest {
				t.Errorf("wait %d is %v, want at most %v", i, wait, longest)
			}
		}
	})
}

func TestRetryComesBackWhenTheStoreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_ = wrap.Retry(objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault {
			return objstoretest.Fault{Before: &objstore.Later{After: 20 * time.Second, Err: objstore.ErrUnavailable}}
		}), wrap.Retries{Attempts: 3, First: time.Second, Longest: time.Second}).Delete(t.Context(), "a")
		if took := time.Since(start); took < 40*time.Second || took > 42*time.Second {
			t.Errorf("two waits of 20 s took %v", took)
		}
	})
}

func TestRetryHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := wrap.Retry(objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault {
			time.Sleep(7 * time.Second) // a store that takes its time to refuse
			return objstoretest.Fault{Before: objstore.ErrUnavailable}
		}), wrap.Retries{Attempts: 1000, Within: time.Minute}).Delete(t.Context(), "a")
		if took := time.Since(start); !errors.Is(err, objstore.ErrUnavailable) || took > time.Minute+7*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// TestALongListingIsNotCountedAgainstItself lists through more breaks than
// there are attempts, each of them after some progress.
func TestALongListingIsNotCountedAgainstItself(t *testing.T) {
	memory := &objstoretest.Memory{}
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprintf("%02d", i))
		if err := memory.Put(t.Context(), want[i], strings.NewReader(""), 0); err != nil {
			t.Fatal(err)
		}
	}
	store := &breaking{Memory: memory}
	if got := objstoretest.Names(t, wrap.Retry(store, quick), ""); !slices.Equal(got, want) || store.breaks != 15 {
		t.Errorf("%d breaks, listed %q", store.breaks, got)
	}
}

// breaking breaks every listing off two objects later than the one before.
type breaking struct {
	*objstoretest.Memory
	breaks int
}

func (b *breaking) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		seen := 0
		for info, err := range b.Memory.List(ctx, prefix) {
			if !yield(info, err) {
				return
			}
			if seen++; seen == 2*(b.breaks+1) {
				b.breaks++
				yield(objstore.Info{}, objstore.ErrUnavailable)
				return
			}
		}
	}
}

func TestShortContentIsNotSentAgain(t *testing.T) {
	calls := 0
	s := wrap.Retry(objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault {
		calls++
		return objstoretest.Fault{}
	}), quick)
	if err := s.Put(t.Context(), "a", strings.NewReader("abc"), 4); !errors.Is(err, io.ErrUnexpectedEOF) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestRetryDoesNotClaimWhatItMayNotOwn loses the answer of a put: only the
// caller can know whether the object that is there is its own.
func TestRetryDoesNotClaimWhatItMayNotOwn(t *testing.T) {
	memory, puts := &objstoretest.Memory{}, 0
	s := wrap.Retry(objstoretest.Faulty(memory, func(objstoretest.Call) objstoretest.Fault {
		if puts++; puts == 1 {
			return objstoretest.Fault{After: objstore.ErrUnavailable}
		}
		return objstoretest.Fault{}
	}), quick)
	if err := s.Put(t.Context(), "a", strings.NewReader("x"), 1); !errors.Is(err, objstore.ErrExists) || string(memory.Bytes("a")) != "x" {
		t.Error(err)
	}
}

func TestAPutThatCannotBeReadAgainIsTriedOnce(t *testing.T) {
	calls := 0
	s := wrap.Retry(objstoretest.Faulty(&objstoretest.Memory{}, func(objstoretest.Call) objstoretest.Fault {
		calls++
		return objstoretest.Fault{Before: objstore.ErrUnavailable}
	}), quick)
	if err := s.Put(t.Context(), "a", io.LimitReader(strings.NewReader("x"), 1), 1); err == nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestABodyThatBreaksGoesOn(t *testing.T) {
	memory := &objstoretest.Memory{}
	content := strings.Repeat("0123456789", 100)
	if err := memory.Put(t.Context(), "a", strings.NewReader(content), 1000); err != nil {
		t.Fatal(err)
	}
	for _, length := range []int64{-1, 1000} {
		gets := 0
		torn := objstoretest.Faulty(memory, func(c objstoretest.Call) objstoretest.Fault {
			gets++
			return objstoretest.Fault{Tear: gets < 3}
		})
		body, err := wrap.Retry(torn, quick).Get(t.Context(), "a", 0, length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || string(got) != content || gets != 3 {
			t.Errorf("%d bytes after %d gets, %v", len(got), gets, err)
		}
		body.Close()
	}
}

func TestReadOnly(t *testing.T) {
	memory := &objstoretest.Memory{}
	if err := memory.Put(t.Context(), "a", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	s := wrap.ReadOnly(memory)
	if err := s.Put(t.Context(), "b", strings.NewReader(""), 0); !errors.Is(err, objstore.ErrForbidden) {
		t.Errorf("put: %v", err)
	}
	if err := s.Delete(t.Context(), "a"); !errors.Is(err, objstore.ErrForbidden) {
		t.Errorf("delete: %v", err)
	}
	if names := objstoretest.Names(t, s, ""); !slices.Equal(names, []string{"a"}) {
		t.Errorf("there is %q", names)
	}
}
