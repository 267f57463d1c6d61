package wrap

import (
	"context"
	"io"
	"iter"
	"sync"

	"holdfast.dev/holdfast/internal/objstore"
)

// Deferred returns a store that is opened when it is first asked for something,
// and kept. What opening fails with, each call fails with, and the next tries again.
func Deferred(open func(context.Context) (objstore.Store, error)) objstore.Store {
	return &deferred{open: open}
}

type deferred struct {
	open  func(context.Context) (objstore.Store, error)
	mu    sync.Mutex
	store objstore.Store
}

func (d *deferred) get(ctx context.Context) (objstore.Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.store != nil {
		return d.store, nil
	}
	store, err := d.open(ctx)
	if err == nil {
		d.store = store
	}
	return store, err
}

// Put opens and writes.
func (d *deferred) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	store, err := d.get(ctx)
	if err != nil {
		return err
	}
	return store.Put(ctx, name, r, size)
}

// Get opens and reads.
func (d *deferred) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	store, err := d.get(ctx)
	if err != nil {
		return nil, err
	}
	return store.Get(ctx, name, offset, length)
}

// Stat opens and describes.
func (d *deferred) Stat(ctx context.Context, name string) (objstore.Info, error) {
	store, err := d.get(ctx)
	if err != nil {
		return objstore.Info{}, err
	}
	return store.Stat(ctx, name)
}

// List opens and lists.
func (d *deferred) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		store, err := d.get(ctx)
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		store.List(ctx, prefix)(yield)
	}
}

// Delete opens and deletes.
func (d *deferred) Delete(ctx context.Context, name string) error {
	store, err := d.get(ctx)
	if err != nil {
		return err
	}
	return store.Delete(ctx, name)
}
