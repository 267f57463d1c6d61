package overhttp

import (
	"errors"
	"fmt"
	"io"
)

// Body streams a Put of known size without holding it. Content that is shorter
// or longer, or that breaks, fails the request: the last bytes are withheld
// until it is known that nothing follows.
type Body struct {
	r    io.Reader
	size int64
	read int64
	err  error
}

// NewBody returns a body of exactly size bytes from r.
func NewBody(r io.Reader, size int64) *Body { return &Body{r: r, size: size} }

// Err is the fault of the source, nil when it has none: what a request then
// says is not the store's fault.
func (b *Body) Err() error { return b.err }

// Read gives the source's bytes, which must be exactly size.
func (b *Body) Read(p []byte) (int, error) {
	if b.read == b.size {
		return 0, b.finish()
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.size-b.read)])
	b.read += int64(n)
	switch {
	case b.read == b.size:
		if err = b.finish(); !errors.Is(err, io.EOF) {
			return 0, err // without the last bytes the server takes nothing
		}
		err = nil
	case errors.Is(err, io.EOF):
		err = b.fail(fmt.Errorf("content ends at %d of %d bytes: %w", b.read, b.size, io.ErrUnexpectedEOF))
	case err != nil:
		err = b.fail(err)
	}
	return n, err
}

// finish makes sure that nothing follows, before the request ends well.
func (b *Body) finish() error {
	if b.err != nil {
		return b.err
	}
	var more [1]byte
	for {
		n, err := b.r.Read(more[:])
		if n > 0 {
			return b.fail(fmt.Errorf("content goes on after %d bytes: %w", b.size, io.ErrUnexpectedEOF))
		}
		if err != nil && err != io.EOF {
			return b.fail(err)
		}
		if err == io.EOF {
			return io.EOF
		}
	}
}

func (b *Body) fail(err error) error {
	b.err = err
	return err
}

// Seek supports what a client library asks that wants something it can rewind
// but is told not to retry: the size, and where it is.
func (b *Body) Seek(offset int64, whence int) (int64, error) {
	switch {
	case offset == 0 && whence == io.SeekEnd:
		return b.size, nil
	case offset == 0 && whence == io.SeekCurrent:
		return b.read, nil
	case offset == b.read && whence == io.SeekStart:
		return b.read, nil
	}
	return 0, errors.New("a body is sent once")
}

// Close leaves the source to its owner.
func (b *Body) Close() error { return nil }

// Empty reports, for a body of no bytes, whether the source agrees: a request
// without content reads nothing, and so would not notice.
func (b *Body) Empty() error {
	if err := b.finish(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
