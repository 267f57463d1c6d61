package azblob

import (
	"errors"
	"fmt"
	"io"
)

// body streams a Put of known size without holding it. The client library
// wants something it can rewind; since it is told not to retry, it only asks
// for the size and for the start.
type body struct {
	r    io.Reader
	size int64
	read int64
	err  error // of the source
}

// Read gives the source's bytes, which must be exactly size.
func (b *body) Read(p []byte) (int, error) {
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
func (b *body) finish() error {
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

func (b *body) fail(err error) error {
	b.err = err
	return err
}

// Seek supports what the library asks.
func (b *body) Seek(offset int64, whence int) (int64, error) {
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
func (b *body) Close() error { return nil }
