package wrap

import (
	"context"
	"errors"
	"io"

	"holdfast.dev/holdfast/internal/objstore"
)

// Get repeats, and returns a body that goes on where it broke off.
func (r retry) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	b := &resuming{ctx: ctx, retry: r, row: r.series(), name: name, offset: offset, length: length}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// resuming is a body that opens the rest of its range again when it breaks.
type resuming struct {
	ctx    context.Context
	retry  retry
	row    *series // of breaks without a byte in between
	name   string
	offset int64 // of the next byte
	length int64 // bytes left; -1 to the end
	body   io.ReadCloser
}

func (b *resuming) open() error {
	return b.retry.do(b.ctx, func() error {
		body, err := b.retry.store.Get(b.ctx, b.name, b.offset, b.length)
		if err == nil {
			b.body = body
		}
		return err
	})
}

// Read gives the next bytes. A body that ends before its range does has broken.
func (b *resuming) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.offset += int64(n)
	if n > 0 {
		b.row.progress()
	}
	if b.length >= 0 {
		b.length -= int64(n)
		if err == io.EOF && b.length > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if !errors.Is(err, objstore.ErrUnavailable) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, err
	}
	if stop := b.row.again(b.ctx, err); stop != nil {
		return n, stop
	}
	b.body.Close()
	b.body = io.NopCloser(gone{err}) // until it is open again, which may fail
	return n, b.open()
}

// gone is a body that broke and could not be opened again.
type gone struct{ err error }

// Read fails as before.
func (g gone) Read([]byte) (int, error) { return 0, g.err }

// Close closes the body there is.
func (b *resuming) Close() error { return b.body.Close() }
