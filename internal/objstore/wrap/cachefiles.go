package wrap

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/objstore"
)

// draftPrefix begins the names of entries that are being written.
const draftPrefix = "draft-"

// open reads a range of an entry: a file of the object's content and, after
// it, its SHA-256, by which a torn one is told. It returns nothing when there
// is no whole entry.
func (c *Cache) open(key string, offset, length int64) (io.ReadCloser, error) {
	path := filepath.Join(c.dir, key)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil //nolint:nilerr // a cache that cannot be read is empty
	}
	size := int64(len(data)) - sha256.Size
	if size < 0 || sha256.Sum256(data[:size]) != [sha256.Size]byte(data[size:]) {
		os.Remove(path)
		return nil, nil
	}
	length, err = objstore.Range(size, offset, length)
	if err != nil {
		return nil, fmt.Errorf("read cached object: %w", err)
	}
	return io.NopCloser(bytes.NewReader(data[offset : offset+length])), nil
}

// write makes an entry, and room for it. It reports whether there is one now:
// a folder that is full or gone only makes reading slower.
func (c *Cache) write(key string, content []byte) bool {
	f, err := os.CreateTemp(c.dir, draftPrefix)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(content)
	_, err = f.Write(content)
	if err == nil {
		_, err = f.Write(sum[:])
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(c.dir, key))
	}
	if err != nil {
		os.Remove(f.Name())
		return false
	}
	c.grown(int64(len(content)) + sha256.Size)
	return true
}

// grown counts what was added and now and then measures the folder.
func (c *Cache) grown(size int64) {
	c.mu.Lock()
	c.added += size
	due := c.added > c.total/8
	if due {
		c.added = 0
	}
	c.mu.Unlock()
	if due {
		c.evict()
	}
}

// evict removes the oldest entries until an eighth of the room is free, which
// is what may be added before the folder is measured again.
func (c *Cache) evict() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return // an empty cache
	}
	var files []os.FileInfo
	sum := int64(0)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && ours(info) {
			files = append(files, info)
			sum += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range files {
		if sum <= c.total-c.total/8 {
			return
		}
		if os.Remove(filepath.Join(c.dir, f.Name())) == nil {
			sum -= f.Size()
		}
	}
}

// ours says whether a file is of a cache: the folder may hold others.
func ours(info os.FileInfo) bool {
	return info.Mode().IsRegular() && (len(info.Name()) == 2*sha256.Size || strings.HasPrefix(info.Name(), draftPrefix))
}
