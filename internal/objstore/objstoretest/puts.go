package objstoretest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
)

func testNeverOverwrites(t *testing.T, s objstore.Store) {
	mustPut(t, s, "a/b", "first")
	if err := put(t.Context(), s, "a/b", "second"); !errors.Is(err, objstore.ErrExists) {
		t.Errorf("second put: %v", err)
	}
	if got, err := get(t.Context(), s, "a/b", 0, -1); got != "first" || err != nil {
		t.Errorf("content is %q, %v", got, err)
	}
}

// patient repeats what a store puts off: for content that cannot be read
// again, no wrapper does.
func patient(call func() error) (err error) {
	for range 20 {
		if err = call(); !errors.Is(err, objstore.ErrUnavailable) {
			return err
		}
	}
	return err
}

func testRace(t *testing.T, s objstore.Store) {
	var won, lost atomic.Int32
	var winner atomic.Value
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			content := strings.Repeat(fmt.Sprint(i), 1000+i)
			// Some stores tell racers to come again.
			switch err := patient(func() error { return put(t.Context(), s, "race", content) }); {
			case err == nil:
				won.Add(1)
				winner.Store(content)
			case errors.Is(err, objstore.ErrExists):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		t.Fatalf("%d won, %d lost", won.Load(), lost.Load())
	}
	if got, err := get(t.Context(), s, "race", 0, -1); got != winner.Load() || err != nil {
		t.Errorf("content is not the winner's: %v", err)
	}
}

func testBrokenPut(t *testing.T, s objstore.Store) {
	broken := errors.New("source broke")
	bodies := map[string]struct {
		r    func() io.Reader
		size int64
	}{
		"short":  {func() io.Reader { return strings.NewReader("abc") }, 4},
		"long":   {func() io.Reader { return strings.NewReader("abcde") }, 4},
		"filled": {func() io.Reader { return strings.NewReader("a") }, 0},
		"broken": {func() io.Reader { return io.MultiReader(strings.NewReader("ab"), failing{broken}) }, 4},
	}
	for name, b := range bodies {
		err := patient(func() error { return s.Put(t.Context(), name, b.r(), b.size) })
		if err == nil || errors.Is(err, objstore.ErrExists) {
			t.Errorf("%s: put says %v", name, err)
		}
		if name == "broken" && !errors.Is(err, broken) {
			t.Errorf("the source's error is lost: %v", err)
		}
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("%s: something is there: %v", name, err)
		}
	}
	if names := Names(t, s, ""); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}

// testCancelledPut cancels in the middle of the content. What was on its way
// then may still arrive, but only whole.
func testCancelledPut(t *testing.T, s objstore.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	const half = 8 << 20
	content := io.MultiReader(strings.NewReader(strings.Repeat("x", half)), calling(cancel), strings.NewReader(strings.Repeat("y", half)))
	if err := s.Put(ctx, "a/b", content, 2*half); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	// A server may notice later than we do.
	for range 15 {
		info, err := s.Stat(t.Context(), "a/b")
		if err == nil && info.Size != 2*half {
			t.Fatalf("left behind: %+v", info)
		}
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			t.Fatalf("stat: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// calling is an empty reader that calls.
type calling func()

// Read calls.
func (c calling) Read([]byte) (int, error) {
	c()
	return 0, io.EOF
}

func testReaders(t *testing.T, s objstore.Store) {
	content := strings.Repeat("0123456789", 100)
	for name, r := range map[string]func() io.Reader{
		"one-byte": func() io.Reader { return iotest.OneByteReader(strings.NewReader(content)) },
		"data-eof": func() io.Reader { return iotest.DataErrReader(strings.NewReader(content)) },
		"halves":   func() io.Reader { return iotest.HalfReader(strings.NewReader(content)) },
		"pieces": func() io.Reader {
			return io.MultiReader(strings.NewReader(content[:3]), strings.NewReader(content[3:]))
		},
	} {
		if err := patient(func() error { return s.Put(t.Context(), name, r(), 1000) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := get(t.Context(), s, name, 0, -1); err != nil || got != content {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	err := patient(func() error { return s.Put(t.Context(), "empty", iotest.OneByteReader(strings.NewReader("")), 0) })
	if err != nil {
		t.Errorf("empty: %v", err)
	}
}

type failing struct{ err error }

// Read fails.
func (f failing) Read([]byte) (int, error) { return 0, f.err }
