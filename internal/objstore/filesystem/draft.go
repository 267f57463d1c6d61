package filesystem

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"holdfast.dev/holdfast/internal/objstore"
)

// drafts is the folder of files that are being written. Its name is not an
// object name, so it is never listed.
const drafts = ".drafts"

// draft is a file being written. Its writer holds an advisory lock on it, so
// that others can tell a live draft from one whose process died.
type draft struct {
	store *Store
	name  string
	file  *os.File
}

// errSwept: a draft was taken for a dead one in the moment before it was locked.
var errSwept = errors.New("draft was swept by another process")

// draftTries bounds how often a draft is made anew. To be swept takes somebody
// who opens the store in the moment between two system calls.
const draftTries = 20

func (s *Store) newDraft() (d *draft, err error) {
	if err := s.makeFolders(drafts); err != nil {
		return nil, err
	}
	for range draftTries {
		if d, err = s.tryDraft(); !errors.Is(err, errSwept) {
			return d, err
		}
	}
	return nil, err
}

func (s *Store) tryDraft() (*draft, error) {
	name := path.Join(drafts, rand.Text())
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, s.absent(err)
	}
	d := &draft{store: s, name: name, file: f}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errSwept
	}
	if err == nil {
		// Locked, it stays; but a sweeper may have come and gone before.
		if _, err = s.root.Stat(name); errors.Is(err, fs.ErrNotExist) {
			err = errSwept
		}
	}
	if err != nil {
		d.discard()
		return nil, fmt.Errorf("lock draft: %w", err)
	}
	return d, nil
}

func (d *draft) fill(ctx context.Context, r io.Reader, size int64) error {
	n, err := io.Copy(d.file, io.LimitReader(stoppable{ctx, r}, size+1))
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("content is not of the announced %d bytes: %w", size, io.ErrUnexpectedEOF)
	}
	return d.file.Sync()
}

func (d *draft) discard() {
	_ = d.store.root.Remove(d.name) // a draft that stays is swept at the next Open
	d.file.Close()
}

// stoppable makes a long copy end with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

// Read reads on until the context ends.
func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// sweep removes drafts whose writer died: nobody holds their lock.
func (s *Store) sweep() error {
	entries, err := fs.ReadDir(s.root.FS(), drafts)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list drafts: %w", kind(err))
	}
	for _, entry := range entries {
		name := path.Join(drafts, entry.Name())
		f, err := s.root.Open(name)
		if err != nil {
			continue // its writer has just finished, or another sweeper came first
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = s.root.Remove(name) // only tidiness: a draft is never an object
		}
		f.Close()
	}
	return nil
}

// makeFolders creates a folder and its parents, and makes their entries last.
func (s *Store) makeFolders(dir string) error {
	if dir == "." {
		return nil
	}
	if _, err := s.root.Stat(dir); err == nil {
		return nil
	}
	if !s.linked() {
		return objstore.ErrNoBucket
	}
	if err := s.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for parent := path.Dir(dir); ; parent = path.Dir(parent) {
		if err := s.syncFolder(parent); err != nil || parent == "." {
			return err
		}
	}
}

func (s *Store) syncFolder(dir string) error {
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// linked reports whether the folder still has a name: an open folder that was
// removed looks empty and would otherwise swallow writes.
func (s *Store) linked() bool {
	info, err := s.root.Stat(".")
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Nlink > 0
}
