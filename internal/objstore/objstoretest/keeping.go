package objstoretest

import (
	"context"
	"io"
	"iter"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
)

// Paged returns store with listings that are asked for page by page, each page
// seeing the store as it is then. It keeps every promise.
func Paged(store objstore.Store, size int) objstore.Store { return paged{store, size} }

type paged struct {
	objstore.Store
	size int
}

// List asks for page after page.
func (p paged) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		for last := ""; ; {
			page, err := p.after(ctx, prefix, last)
			for _, info := range page {
				if last = info.Name; !yield(info, nil) {
					return
				}
			}
			if err != nil {
				yield(objstore.Info{}, err)
			}
			if err != nil || len(page) < p.size {
				return
			}
		}
	}
}

func (p paged) after(ctx context.Context, prefix, last string) (page []objstore.Info, err error) {
	for info, err := range p.Store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if info.Name > last {
			page = append(page, info)
		}
		if len(page) == p.size {
			break
		}
	}
	return page, nil
}

// Slow returns store with every call, and every read of a body, waiting first;
// a wait ends with the call's context. It keeps every promise.
func Slow(store objstore.Store, wait func(Call) time.Duration) objstore.Store {
	return slow{store, wait}
}

type slow struct {
	store objstore.Store
	delay func(Call) time.Duration
}

func (s slow) wait(ctx context.Context, op, name string) error {
	select {
	case <-time.After(s.delay(Call{op, name})):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Put waits and writes.
func (s slow) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := s.wait(ctx, "put", name); err != nil {
		return err
	}
	return s.store.Put(ctx, name, r, size)
}

// Get waits and reads slowly; its reads are the Op "read".
func (s slow) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := s.wait(ctx, "get", name); err != nil {
		return nil, err
	}
	body, err := s.store.Get(ctx, name, offset, length)
	if err != nil {
		return nil, err
	}
	return slowBody{body, func() error { return s.wait(ctx, "read", name) }}, nil
}

type slowBody struct {
	io.ReadCloser
	wait func() error
}

// Read waits and reads.
func (b slowBody) Read(p []byte) (int, error) {
	if err := b.wait(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

// Stat waits and describes.
func (s slow) Stat(ctx context.Context, name string) (objstore.Info, error) {
	if err := s.wait(ctx, "stat", name); err != nil {
		return objstore.Info{}, err
	}
	return s.store.Stat(ctx, name)
}

// List waits and lists.
func (s slow) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		if err := s.wait(ctx, "list", prefix); err != nil {
			yield(objstore.Info{}, err)
			return
		}
		s.store.List(ctx, prefix)(yield)
	}
}

// Delete waits and deletes.
func (s slow) Delete(ctx context.Context, name string) error {
	if err := s.wait(ctx, "delete", name); err != nil {
		return err
	}
	return s.store.Delete(ctx, name)
}
