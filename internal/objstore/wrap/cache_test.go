package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

// counting counts the gets of a store.
type counting struct {
	*objstoretest.Memory
	mu   sync.Mutex
	gets int
}

func (c *counting) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	c.mu.Lock()
	c.gets++
	c.mu.Unlock()
	return c.Memory.Get(ctx, name, offset, length)
}

func newCache(t *testing.T, dir string, total int64) *wrap.Cache {
	t.Helper()
	c, err := wrap.NewCache(dir, total)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func readAll(t *testing.T, s objstore.Store, name string) string {
	t.Helper()
	body, err := s.Get(t.Context(), name, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func newCounting(objects map[string]string) *counting {
	c := &counting{Memory: &objstoretest.Memory{}}
	for name, content := range objects {
		c.Overwrite(name, []byte(content))
	}
	return c
}

func TestCacheAsksOnce(t *testing.T) {
	store, dir := newCounting(map[string]string{"index/1": "segment", "packs/1": "pack"}), t.TempDir()
	onlyIndex := func(name string) bool { return strings.HasPrefix(name, "index/") }
	for range 3 { // also with a cache that was filled before
		s := newCache(t, dir, 1<<20).Store(store, "b", onlyIndex)
		if got := readAll(t, s, "index/1"); got != "segment" {
			t.Errorf("read %q", got)
		}
		readAll(t, s, "packs/1")
	}
	if store.gets != 1+3 {
		t.Errorf("%d gets", store.gets)
	}
}

func TestCacheTellsBucketsApart(t *testing.T) {
	cache := newCache(t, t.TempDir(), 1<<20)
	one, two := cache.Store(newCounting(map[string]string{"a": "1"}), "one", anything), cache.Store(newCounting(map[string]string{"a": "2"}), "two", anything)
	if a, b := readAll(t, one, "a"), readAll(t, two, "a"); a != "1" || b != "2" {
		t.Errorf("read %q and %q", a, b)
	}
}

// TestDamagedEntriesAreNotUsed damages the folder in every way a crash or
// another process may.
func TestDamagedEntriesAreNotUsed(t *testing.T) {
	for how, damage := range map[string]func(string) error{
		"emptied":   func(f string) error { return os.Truncate(f, 0) },
		"cut":       func(f string) error { return os.Truncate(f, 3) },
		"cut a bit": func(f string) error { return os.Truncate(f, int64(len("content"))+31) },
		"zeroed":    func(f string) error { return os.WriteFile(f, make([]byte, len("content")+32), 0o600) },
		"removed":   os.Remove,
		"a folder":  func(f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o700)) },
	} {
		t.Run(how, func(t *testing.T) {
			store, dir := newCounting(map[string]string{"a": "content"}), t.TempDir()
			s := newCache(t, dir, 1<<20).Store(store, "b", anything)
			readAll(t, s, "a")
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(files) != 1 {
				t.Fatalf("%q, %v", files, err)
			}
			if err := damage(files[0]); err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, s, "a"); got != "content" || store.gets < 2 {
				t.Errorf("read %q with %d gets", got, store.gets)
			}
		})
	}
}

func TestAFolderThatIsGoneOnlyMakesReadingSlower(t *testing.T) {
	store, dir := newCounting(map[string]string{"a": "content"}), filepath.Join(t.TempDir(), "cache")
	s := newCache(t, dir, 1<<20).Store(store, "b", anything)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, s, "a"); got != "content" {
		t.Errorf("read %q", got)
	}
}

func TestCacheStaysWithinItsBounds(t *testing.T) {
	store, dir := newCounting(nil), t.TempDir()
	const total = 64 << 10
	s := newCache(t, dir, total).Store(store, "b", anything)
	var readers sync.WaitGroup
	for i := range 100 {
		name := fmt.Sprint(i)
		store.Overwrite(name, []byte(strings.Repeat("x", 1000+i*50))) // the last are too large to keep
		readers.Go(func() {
			if got := readAll(t, s, name); len(got) != 1000+i*50 {
				t.Errorf("%s: %d bytes", name, len(got))
			}
		})
	}
	readers.Wait()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
		if info.Size() > total/16+32 {
			t.Errorf("an entry of %d bytes", info.Size())
		}
	}
	if sum > total || sum == 0 {
		t.Errorf("%d bytes are kept", sum)
	}
}

func TestALargeObjectIsAskedForInParts(t *testing.T) {
	store := newCounting(map[string]string{"a": strings.Repeat("0123456789", 1000)})
	s := newCache(t, t.TempDir(), 1<<14).Store(store, "b", anything)
	for range 2 {
		body, err := s.Get(t.Context(), "a", 5, 3)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); string(got) != "567" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if store.gets != 2 {
		t.Errorf("%d gets", store.gets)
	}
}

func TestHalfABodyIsNotCached(t *testing.T) {
	memory, dir := &objstoretest.Memory{}, t.TempDir()
	memory.Overwrite("a", []byte("content"))
	torn := true
	s := newCache(t, dir, 1<<20).Store(objstoretest.Faulty(memory, func(c objstoretest.Call) objstoretest.Fault {
		return objstoretest.Fault{Tear: torn && c.Op == "get"}
	}), "b", anything)
	if _, err := s.Get(t.Context(), "a", 0, -1); !errors.Is(err, objstore.ErrUnavailable) {
		t.Errorf("get: %v", err)
	}
	torn = false
	if got := readAll(t, s, "a"); got != "content" {
		t.Errorf("read %q", got)
	}
}
