package objstoretest

import (
	"context"
	"io"
	"iter"
	"sync/atomic"

	"holdfast.dev/holdfast/internal/objstore"
)

// Call is a call of a store.
type Call struct {
	Op   string // "put", "get", "stat", "list" or "delete"
	Name string // or prefix
}

// Fault is what goes wrong with a call. The zero value is nothing.
type Fault struct {
	Before error // the call has no effect and fails
	After  error // the call has its effect and fails: the answer was lost
	Tear   bool  // a body or listing breaks off half-way, with objstore.ErrUnavailable
}

// Faulty returns store with faults: judge is asked at each call.
func Faulty(store objstore.Store, judge func(Call) Fault) objstore.Store {
	return faulty{store, judge}
}

// NewFlaky returns a store that fails every second call, in turn before it,
// after it, and half-way.
func NewFlaky(store objstore.Store) objstore.Store {
	var calls atomic.Int64
	return Faulty(store, func(c Call) Fault {
		switch n := calls.Add(1); {
		case n%2 == 0:
			return Fault{}
		case n%3 == 0 && c.Op != "put":
			return Fault{After: objstore.ErrUnavailable}
		case n%3 == 1:
			return Fault{Tear: true}
		}
		return Fault{Before: objstore.ErrUnavailable}
	})
}

type faulty struct {
	store objstore.Store
	judge func(Call) Fault
}

// do carries out a call between its faults.
func (f faulty) do(op, name string, call func(Fault) error) error {
	fault := f.judge(Call{op, name})
	if fault.Before != nil {
		return fault.Before
	}
	if err := call(fault); err != nil {
		return err
	}
	return fault.After
}

// Put writes, unless it is to fail.
func (f faulty) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return f.do("put", name, func(Fault) error { return f.store.Put(ctx, name, r, size) })
}

// Get reads, unless it is to fail or to break off.
func (f faulty) Get(ctx context.Context, name string, offset, length int64) (body io.ReadCloser, err error) {
	err = f.do("get", name, func(fault Fault) error {
		if body, err = f.store.Get(ctx, name, offset, length); err == nil && fault.Tear {
			err = f.tear(ctx, &body, name, offset, length)
		}
		return err
	})
	if err != nil && body != nil {
		body.Close()
		body = nil
	}
	return body, err
}

// tear cuts a body in half.
func (f faulty) tear(ctx context.Context, body *io.ReadCloser, name string, offset, length int64) error {
	if length < 0 {
		info, err := f.store.Stat(ctx, name)
		if err != nil {
			return err
		}
		length = info.Size - offset
	}
	half := io.MultiReader(io.LimitReader(*body, length/2), torn{})
	*body = struct {
		io.Reader
		io.Closer
	}{half, *body}
	return nil
}

// torn is where a body breaks off.
type torn struct{}

// Read breaks off.
func (torn) Read([]byte) (int, error) { return 0, objstore.ErrUnavailable }

// Stat describes, unless it is to fail.
func (f faulty) Stat(ctx context.Context, name string) (info objstore.Info, err error) {
	err = f.do("stat", name, func(Fault) error {
		info, err = f.store.Stat(ctx, name)
		return err
	})
	return info, err
}

// Delete removes, unless it is to fail.
func (f faulty) Delete(ctx context.Context, name string) error {
	return f.do("delete", name, func(Fault) error { return f.store.Delete(ctx, name) })
}

// List lists, unless it is to fail or to break off.
func (f faulty) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		stopped := false
		err := f.do("list", prefix, func(fault Fault) error {
			seen := 0
			for info, err := range f.store.List(ctx, prefix) {
				if err != nil {
					return err
				}
				if fault.Tear && seen == 2 {
					return objstore.ErrUnavailable
				}
				seen++
				if !yield(info, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(objstore.Info{}, err)
		}
	}
}
