package objstoretest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"

	"holdfast.dev/holdfast/internal/objstore"
)

// Stores that break one promise of the contract each, named after it, to show
// what becomes of those who trusted it.

// Overwriting breaks "Put never overwrites", as a server does that does not
// know conditional writes.
type Overwriting struct{ *Memory }

// Put overwrites.
func (o Overwriting) Put(_ context.Context, name string, r io.Reader, size int64) error {
	data, err := io.ReadAll(r)
	if err == nil && int64(len(data)) != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("write object %s: %w", name, err)
	}
	o.Overwrite(name, data)
	return nil
}

// Tearing breaks "an object is visible whole or not at all": every Put for
// which When answers true leaves the first half, and fails.
type Tearing struct {
	*Memory
	When func(name string) bool
}

// Put leaves half.
func (s Tearing) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if !s.When(name) {
		return s.Memory.Put(ctx, name, r, size)
	}
	half := make([]byte, size/2)
	if _, err := io.ReadFull(r, half); err != nil {
		return err
	}
	if err := s.Memory.Put(ctx, name, bytes.NewReader(half), size/2); err != nil {
		return err
	}
	return fmt.Errorf("write object %s: %w", name, objstore.ErrUnavailable)
}

// StaleLists breaks "after Put returned nil, List sees the object", within
// bounds: a listing does not show what was put, and still shows what was
// deleted, since the last Behind calls of Put and Delete.
type StaleLists struct {
	objstore.Store
	Behind int

	mu   sync.Mutex
	past [][]objstore.Info // what List would have said before each change
}

// remember keeps what a listing says now.
func (s *StaleLists) remember(ctx context.Context) error {
	var now []objstore.Info
	for info, err := range s.Store.List(ctx, "") {
		if err != nil {
			return err
		}
		now = append(now, info)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = append(s.past, now)
	if len(s.past) > s.Behind {
		s.past = s.past[len(s.past)-s.Behind:]
	}
	return nil
}

// Put writes what listings show later.
func (s *StaleLists) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := s.remember(ctx); err != nil {
		return err
	}
	return s.Store.Put(ctx, name, r, size)
}

// Delete removes what listings show for a while.
func (s *StaleLists) Delete(ctx context.Context, name string) error {
	if err := s.remember(ctx); err != nil {
		return err
	}
	return s.Store.Delete(ctx, name)
}

// List shows the past.
func (s *StaleLists) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.past) == 0 {
		return s.Store.List(ctx, prefix)
	}
	return listOf(s.past[0], prefix)
}

func listOf(infos []objstore.Info, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		for _, info := range infos {
			if strings.HasPrefix(info.Name, prefix) && !yield(info, nil) {
				return
			}
		}
	}
}

// ShortLists breaks "List answers completely or with an error": it ends well
// after At objects, as a client does that forgets the second page.
type ShortLists struct {
	objstore.Store
	At int
}

// List stops early.
func (s ShortLists) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		seen := 0
		for info, err := range s.Store.List(ctx, prefix) {
			if seen++; seen > s.At || !yield(info, err) {
				return
			}
		}
	}
}
