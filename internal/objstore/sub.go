package objstore

import (
	"context"
	"io"
	"iter"
	"strings"
)

// Sub returns the part of a store whose object names start with prefix, with
// that prefix removed from the names. The prefix must end with "/"; an empty
// one returns the store itself.
func Sub(store Store, prefix string) Store {
	if prefix == "" {
		return store
	}
	return sub{store, prefix}
}

type sub struct {
	store  Store
	prefix string
}

// Put writes below the prefix.
func (s sub) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return s.store.Put(ctx, s.prefix+name, r, size)
}

// Get reads below the prefix.
func (s sub) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	return s.store.Get(ctx, s.prefix+name, offset, length)
}

// Stat describes what is below the prefix.
func (s sub) Stat(ctx context.Context, name string) (Info, error) {
	info, err := s.store.Stat(ctx, s.prefix+name)
	info.Name = strings.TrimPrefix(info.Name, s.prefix)
	return info, err
}

// List lists below the prefix.
func (s sub) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for info, err := range s.store.List(ctx, s.prefix+prefix) {
			info.Name = strings.TrimPrefix(info.Name, s.prefix)
			if !yield(info, err) {
				return
			}
		}
	}
}

// Delete removes below the prefix.
func (s sub) Delete(ctx context.Context, name string) error {
	return s.store.Delete(ctx, s.prefix+name)
}
