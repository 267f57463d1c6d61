// Package csi is a storage driver for one node. Volumes and snapshots are
// sparse files on one XFS pool; a snapshot or a clone is a reflink copy, so it
// takes milliseconds and shares every block that did not change. Volumes are
// attached as loop devices, for file systems and raw blocks alike.
package csi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Store keeps images and what is known about them in one folder of the pool:
// ID.img is the data, ID.json the facts. The facts are written last and
// removed first, so an image without them never existed.
type Store struct {
	dir   string
	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

// Record is what is known about one volume or snapshot.
type Record struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`             // as asked for; names and ids are one to one
	Size    int64     `json:"size"`             // bytes
	Source  string    `json:"source,omitempty"` // id the data came from; for a snapshot, its volume
	Created time.Time `json:"created"`
}

const (
	volumePrefix   = "vol-"
	snapshotPrefix = "snap-"
)

// OpenStore makes dir when it is missing and drops half-made images.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, locks: map[string]*sync.Mutex{}}
	images, err := filepath.Glob(filepath.Join(dir, "*.img"))
	if err != nil {
		return nil, err
	}
	for _, image := range images {
		id := strings.TrimSuffix(filepath.Base(image), ".img")
		if _, err := s.Get(id); errors.Is(err, fs.ErrNotExist) {
			if err := os.Remove(image); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// idOf derives the id from a name, which makes creating twice find the first.
func idOf(prefix, name string) string {
	h := sha256.Sum256([]byte(name))
	return prefix + hex.EncodeToString(h[:12])
}

// Lock serialises work on one id; call the returned func to let go.
func (s *Store) Lock(id string) func() {
	s.mu.Lock()
	l, ok := s.locks[id]
	if !ok {
		l = &sync.Mutex{}
		s.locks[id] = l
	}
	s.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// Image is the data file of id, whether it exists or not.
func (s *Store) Image(id string) string { return filepath.Join(s.dir, id+".img") }

func (s *Store) facts(id string) string { return filepath.Join(s.dir, id+".json") }

// Get returns the facts of id; fs.ErrNotExist when there is no such thing.
func (s *Store) Get(id string) (Record, error) {
	var r Record
	if id != filepath.Base(id) {
		return r, fmt.Errorf("%q: %w", id, fs.ErrNotExist)
	}
	data, err := os.ReadFile(s.facts(id))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("facts of %s: %w", id, err)
	}
	return r, nil
}

// List returns everything whose id starts with prefix, ordered by id.
func (s *Store) List(prefix string) ([]Record, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, prefix+"*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []Record
	for _, f := range files {
		r, err := s.Get(strings.TrimSuffix(filepath.Base(f), ".json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Create makes the image of r: empty, or a copy of the image of r.Source which
// shares its blocks, grown to r.Size.
func (s *Store) Create(r Record) error {
	image, err := os.Create(s.Image(r.ID))
	if err != nil {
		return err
	}
	defer image.Close()
	if r.Source != "" {
		if err := cloneInto(image, s.Image(r.Source)); err != nil {
			return fmt.Errorf("copy %s to %s: %w", r.Source, r.ID, err)
		}
	}
	if err := image.Truncate(r.Size); err != nil {
		return err
	}
	if err := image.Sync(); err != nil {
		return err
	}
	return s.write(r)
}

func cloneInto(target *os.File, source string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	return unix.IoctlFileClone(int(target.Fd()), int(in.Fd()))
}

// Grow enlarges the image to size; a smaller size changes nothing.
func (s *Store) Grow(r Record, size int64) (Record, error) {
	if size <= r.Size {
		return r, nil
	}
	if err := os.Truncate(s.Image(r.ID), size); err != nil {
		return r, err
	}
	r.Size = size
	return r, s.write(r)
}

// Delete removes id; it is no error when it is not there.
func (s *Store) Delete(id string) error {
	for _, file := range []string{s.facts(id), s.Image(id)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Free is the number of bytes the pool can still take.
func (s *Store) Free() (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(s.dir, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

func (s *Store) write(r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temporary := s.facts(r.ID) + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, s.facts(r.ID))
}
