package wrap_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

func anything(string) bool { return true }

// TestWrappersKeepTheContract wraps a store in each wrapper, and in all.
func TestWrappersKeepTheContract(t *testing.T) {
	cache := func(t *testing.T, s objstore.Store) objstore.Store {
		c, err := wrap.NewCache(t.TempDir(), 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		return c.Store(s, "b", anything)
	}
	metrics := func(s objstore.Store) objstore.Store {
		return wrap.NewMetrics(prometheus.NewRegistry(), clock.System{}).Store(s)
	}
	limit := wrap.NewLimit(wrap.Limits{BytesPerSecond: 1 << 40, Concurrent: 2})
	for name, around := range map[string]func(*testing.T, objstore.Store) objstore.Store{
		"patience": func(_ *testing.T, s objstore.Store) objstore.Store { return wrap.Patience(s, time.Minute) },
		"limit":    func(_ *testing.T, s objstore.Store) objstore.Store { return limit.Store(s) },
		"metrics":  func(_ *testing.T, s objstore.Store) objstore.Store { return metrics(s) },
		"cache":    cache,
		"all of them over a flaky store": func(t *testing.T, s objstore.Store) objstore.Store {
			s = wrap.Patience(objstoretest.NewFlaky(s), time.Minute)
			return cache(t, wrap.Retry(limit.Store(metrics(s)), quick))
		},
	} {
		t.Run(name, func(t *testing.T) {
			objstoretest.Run(t, func(t *testing.T) objstore.Store { return around(t, &objstoretest.Memory{}) })
		})
	}
}

// stuck is a store whose named operation never ends by itself.
func stuck(m *objstoretest.Memory, op string) objstore.Store {
	return objstoretest.Slow(m, func(c objstoretest.Call) time.Duration {
		if c.Op == op {
			return 1000 * time.Hour
		}
		return time.Second
	})
}

func TestPatienceEnds(t *testing.T) {
	calls := map[string]func(context.Context, objstore.Store) error{
		"put":  func(ctx context.Context, s objstore.Store) error { return s.Put(ctx, "b", strings.NewReader("x"), 1) },
		"stat": func(ctx context.Context, s objstore.Store) error { _, err := s.Stat(ctx, "a"); return err },
		"get":  func(ctx context.Context, s objstore.Store) error { _, err := s.Get(ctx, "a", 0, -1); return err },
		"read": func(ctx context.Context, s objstore.Store) error {
			body, err := s.Get(ctx, "a", 0, -1)
			if err != nil {
				return errors.New("opening failed")
			}
			defer body.Close()
			_, err = io.ReadAll(body)
			return err
		},
		"delete": func(ctx context.Context, s objstore.Store) error { return s.Delete(ctx, "a") },
		"list": func(ctx context.Context, s objstore.Store) (last error) {
			for _, last = range s.List(ctx, "") {
			}
			return last
		},
	}
	for op, call := range calls {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := &objstoretest.Memory{}
				memory.Overwrite("a", []byte("content"))
				start := time.Now()
				err := call(t.Context(), wrap.Patience(stuck(memory, op), time.Minute))
				if took := time.Since(start); !errors.Is(err, objstore.ErrUnavailable) || errors.Is(err, context.Canceled) || took > 70*time.Second {
					t.Errorf("after %v: %v", took, err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err = call(ctx, wrap.Patience(stuck(memory, op), time.Minute))
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, objstore.ErrUnavailable) {
					t.Errorf("with a deadline of the caller's: %v", err)
				}
			})
		})
	}
}

func TestPatienceDoesNotCountTheCallersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &objstoretest.Memory{}
		s := wrap.Patience(memory, time.Minute)
		lazy := readerFunc(func(p []byte) (int, error) { time.Sleep(time.Hour); return 0, io.EOF })
		if err := s.Put(t.Context(), "a", io.MultiReader(strings.NewReader("x"), lazy), 1); err != nil {
			t.Errorf("put: %v", err)
		}
		body, err := s.Get(t.Context(), "a", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got, err := io.ReadAll(body); err != nil || string(got) != "x" {
			t.Errorf("get: %q, %v", got, err)
		}
		body.Close()
		for _, err := range s.List(t.Context(), "") {
			time.Sleep(time.Hour)
			if err != nil {
				t.Errorf("list: %v", err)
			}
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLimitSharesBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := wrap.NewLimit(wrap.Limits{BytesPerSecond: 1000})
		one, two := &objstoretest.Memory{}, &objstoretest.Memory{}
		start, done := time.Now(), make(chan error)
		for _, s := range []objstore.Store{limit.Store(one), limit.Store(two)} {
			go func() { done <- s.Put(t.Context(), "a", strings.NewReader(strings.Repeat("x", 5000)), 5000) }()
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
		body, err := limit.Store(one).Get(t.Context(), "a", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); len(got) != 5000 || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		// 15,000 bytes, of which a second's worth may come at once.
		if took := time.Since(start); took < 13*time.Second || took > 16*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLimitOfConcurrentCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := objstoretest.Slow(&objstoretest.Memory{}, func(objstoretest.Call) time.Duration { return time.Second })
		s := wrap.NewLimit(wrap.Limits{Concurrent: 3}).Store(slow)
		start, done := time.Now(), make(chan error)
		for range 9 {
			go func() { done <- s.Delete(t.Context(), "a") }()
		}
		for range 9 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("9 calls of a second, 3 at a time, took %v", took)
		}
	})
}

// TestLimitDoesNotWaitForItself makes calls while it holds bodies and listings.
func TestLimitDoesNotWaitForItself(t *testing.T) {
	memory := &objstoretest.Memory{}
	memory.Overwrite("a", []byte("content"))
	s := wrap.NewLimit(wrap.Limits{Concurrent: 1}).Store(memory)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for info, err := range s.List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := s.Get(ctx, info.Name, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if err := s.Put(ctx, "copy", body, info.Size); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMetrics(t *testing.T) {
	registry, at := prometheus.NewRegistry(), clock.NewManual(time.Unix(0, 0))
	memory := &objstoretest.Memory{}
	s := wrap.NewMetrics(registry, at).Store(memory)
	_ = s.Put(t.Context(), "a", strings.NewReader("12345"), 5)
	_ = s.Put(t.Context(), "a", strings.NewReader("12345"), 5)
	body, err := s.Get(t.Context(), "a", 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(body)
	at.Advance(2 * time.Second)
	body.Close()
	body.Close()
	_, _ = s.Stat(t.Context(), "b")
	for range s.List(t.Context(), "") {
		break
	}
	_ = s.Delete(t.Context(), "a")
	err = testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP holdfast_store_bytes_total Content that went to (put) and came from (get) object stores.
# TYPE holdfast_store_bytes_total counter
holdfast_store_bytes_total{operation="get"} 3
holdfast_store_bytes_total{operation="put"} 10
# HELP holdfast_store_requests_total Calls of object stores, by operation and outcome; retries count.
# TYPE holdfast_store_requests_total counter
holdfast_store_requests_total{operation="delete",outcome="ok"} 1
holdfast_store_requests_total{operation="get",outcome="ok"} 1
holdfast_store_requests_total{operation="list",outcome="ok"} 1
holdfast_store_requests_total{operation="put",outcome="exists"} 1
holdfast_store_requests_total{operation="put",outcome="ok"} 1
holdfast_store_requests_total{operation="stat",outcome="not-found"} 1
`), "holdfast_store_bytes_total", "holdfast_store_requests_total")
	if err != nil {
		t.Error(err)
	}
}
