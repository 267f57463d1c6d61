package wrap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"holdfast.dev/holdfast/internal/objstore"
)

// Cache keeps whole small objects in a folder, which may be shared with other
// processes and may lose or damage anything at any time: an entry that is not
// whole is as good as none. It is only a copy: whether an object exists is
// asked of the store, by Stat and List, and a Get of an object that was
// deleted behind the cache's back may still find it.
type Cache struct {
	dir     string
	total   int64 // bytes of all entries
	largest int64 // bytes of one

	mu    sync.Mutex
	added int64           // bytes since the folder was last measured
	big   map[string]bool // names that are too large to keep
}

// NewCache returns a cache in dir, which is made, of at most total bytes, and of
// objects of at most total/16 bytes. Errors are those of making the folder.
func NewCache(dir string, total int64) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cache{dir: dir, total: total, largest: total / 16, big: map[string]bool{}}
	c.evict()
	return c, nil
}

// Store returns store with the reads of those objects cached whose names keep
// selects. bucket tells the stores of one cache apart, such as the id of a
// repository: names are unique only within.
func (c *Cache) Store(store objstore.Store, bucket string, keep func(name string) bool) objstore.Store {
	return cached{store: store, cache: c, bucket: bucket, keep: keep}
}

type cached struct {
	store  objstore.Store
	cache  *Cache
	bucket string
	keep   func(string) bool
}

// key names an object's file.
func (s cached) key(name string) string {
	sum := sha256.Sum256([]byte(s.bucket + "\n" + name))
	return hex.EncodeToString(sum[:])
}

// Get reads from the cache, or through it.
func (s cached) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if !s.keep(name) || objstore.CheckName(name) != nil || ctx.Err() != nil {
		return s.store.Get(ctx, name, offset, length)
	}
	key := s.key(name)
	if body, err := s.cache.open(key, offset, length); body != nil || err != nil {
		return body, err
	}
	filled, err := s.fill(ctx, key, name)
	if err != nil {
		return nil, err
	}
	if filled {
		if body, err := s.cache.open(key, offset, length); body != nil || err != nil {
			return body, err
		}
	}
	return s.store.Get(ctx, name, offset, length)
}

// fill brings an object into the cache, unless it is too large or the folder
// does not take it. Errors are the store's only.
func (s cached) fill(ctx context.Context, key, name string) (bool, error) {
	if s.cache.isBig(key) {
		return false, nil
	}
	info, err := s.store.Stat(ctx, name)
	if err != nil {
		return false, err
	}
	if info.Size > s.cache.largest {
		s.cache.setBig(key)
		return false, nil
	}
	body, err := s.store.Get(ctx, name, 0, info.Size)
	if err != nil {
		return false, err
	}
	defer body.Close()
	content := make([]byte, info.Size)
	if _, err := io.ReadFull(body, content); err != nil {
		return false, err
	}
	return s.cache.write(key, content), nil
}

// Put writes to the store only.
func (s cached) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return s.store.Put(ctx, name, r, size)
}

// Stat asks the store.
func (s cached) Stat(ctx context.Context, name string) (objstore.Info, error) {
	return s.store.Stat(ctx, name)
}

// List asks the store.
func (s cached) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return s.store.List(ctx, prefix)
}

// Delete removes the object, and its copy first.
func (s cached) Delete(ctx context.Context, name string) error {
	if s.keep(name) {
		os.Remove(filepath.Join(s.cache.dir, s.key(name)))
	}
	return s.store.Delete(ctx, name)
}

func (c *Cache) isBig(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.big[key]
}

// maxBig bounds what is remembered of large objects.
const maxBig = 10_000

func (c *Cache) setBig(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.big) == maxBig {
		clear(c.big)
	}
	c.big[key] = true
}
