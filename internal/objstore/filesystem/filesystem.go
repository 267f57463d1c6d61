// Package filesystem keeps a bucket in a folder: one file per object, written
// whole under a hidden name, synced, and then linked to its own name, which
// fails when that name is taken.
package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"holdfast.dev/holdfast/internal/objstore"
)

// Store is a folder used as a bucket. It is safe for concurrent use, also by
// several processes.
type Store struct {
	root *os.Root // refuses every path that leaves the folder, also by a link
}

// Open opens an existing folder; objstore.ErrNoBucket when there is none.
// What a killed process left half-written is removed.
func Open(dir string) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open folder %s: %w", dir, objstore.ErrNoBucket)
	}
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", kind(err))
	}
	s := &Store{root: root}
	if err := s.sweep(); err != nil {
		_ = root.Close() // the sweep's error says more
		return nil, err
	}
	return s, nil
}

// Close releases the folder.
func (s *Store) Close() error { return s.root.Close() }

// Put writes a new file; see objstore.Store.
func (s *Store) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	if err := s.put(ctx, name, r, size); err != nil {
		return fmt.Errorf("write object %s: %w", name, kind(err))
	}
	return nil
}

func (s *Store) put(ctx context.Context, name string, r io.Reader, size int64) error {
	if _, err := s.root.Lstat(name); err == nil {
		return objstore.ErrExists // the link below decides; this saves the writing
	}
	draft, err := s.newDraft()
	if err != nil {
		return err
	}
	defer draft.discard()
	if err := draft.fill(ctx, r, size); err != nil {
		return err
	}
	if err := s.makeFolders(path.Dir(name)); err != nil {
		return err
	}
	if err := s.root.Link(draft.name, name); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: draft was swept: %w", objstore.ErrUnavailable, err)
	} else if err != nil {
		return err
	}
	return s.syncFolder(path.Dir(name))
}

// Get opens a range of a file; see objstore.Store.
func (s *Store) Get(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := objstore.CheckName(name); err != nil {
		return nil, err
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", name, s.absent(err))
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = objstore.ErrNotFound
	}
	if err == nil {
		length, err = objstore.Range(info.Size(), offset, length)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read object %s: %w", name, kind(err))
	}
	return section{io.NewSectionReader(f, offset, length), f}, nil
}

type section struct {
	*io.SectionReader
	io.Closer
}

// Stat describes a file; see objstore.Store.
func (s *Store) Stat(_ context.Context, name string) (objstore.Info, error) {
	if err := objstore.CheckName(name); err != nil {
		return objstore.Info{}, err
	}
	info, err := s.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return objstore.Info{}, fmt.Errorf("stat object %s: %w", name, s.absent(err))
	}
	return objstore.Info{Name: name, Size: info.Size()}, nil
}

// Delete removes a file; see objstore.Store. Empty folders stay.
func (s *Store) Delete(_ context.Context, name string) error {
	if err := objstore.CheckName(name); err != nil {
		return err
	}
	err := s.root.Remove(name)
	if err == nil {
		err = s.syncFolder(path.Dir(name))
	}
	if err = s.absent(err); err == nil || errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("delete object %s: %w", name, err)
}

// absent is kind, but tells a missing file from a missing bucket.
func (s *Store) absent(err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return kind(err)
	}
	if !s.linked() {
		return fmt.Errorf("%w: %w", objstore.ErrNoBucket, err)
	}
	return fmt.Errorf("%w: %w", objstore.ErrNotFound, err)
}

// kind adds the contract's word to an error of the operating system.
func kind(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %w", objstore.ErrExists, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w", objstore.ErrForbidden, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%w: %w", objstore.ErrUnavailable, err)
	}
	return err
}
