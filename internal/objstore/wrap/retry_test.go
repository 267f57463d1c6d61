package wrap_test

import (
	"context"
	"errors"
	"io"
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
			if wait := at[i+1].Sub(at[i]); wait < longest/2 || wait > longest {
				t.Errorf("wait %d is %v, want %v to %v", i, wait, longest/2, longest)
			}
		}
	})
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
