package overhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"holdfast.dev/holdfast/internal/objstore"
)

// Answer is a store's answer to a read.
type Answer struct {
	Body  io.ReadCloser
	Size  int64  // of the body; -1 when it was not told
	Range string // the Content-Range header
}

// Objects is a store that answers reads of ranges as HTTP has them: Fetch reads
// length bytes from offset, at least one, or to the end when length is -1.
type Objects interface {
	Fetch(ctx context.Context, name string, offset, length int64) (Answer, error)
	Stat(ctx context.Context, name string) (objstore.Info, error)
}

// Get serves objstore.Store.Get, with the ranges that HTTP has no words for:
// nothing, and from the very end.
func Get(ctx context.Context, s Objects, name string, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < -1 || length > math.MaxInt64-offset {
		return nil, fmt.Errorf("read object %s: %w", name, objstore.ErrRange)
	}
	if length == 0 {
		return edge(ctx, s, name, offset, 0)
	}
	answer, err := s.Fetch(ctx, name, offset, length)
	if errors.Is(err, objstore.ErrRange) && length == -1 {
		return edge(ctx, s, name, offset, -1)
	}
	if err != nil {
		return nil, err
	}
	if err := check(answer, offset, length); err != nil {
		answer.Body.Close()
		return nil, fmt.Errorf("read object %s: %w", name, err)
	}
	return Reading(answer.Body), nil
}

// Header returns the Range header of a Fetch, empty for a whole object.
func Header(offset, length int64) string {
	switch {
	case length >= 0:
		return fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
	case offset > 0:
		return fmt.Sprintf("bytes=%d-", offset)
	default:
		return ""
	}
}

// edge serves a read of no bytes.
func edge(ctx context.Context, s Objects, name string, offset, length int64) (io.ReadCloser, error) {
	info, err := s.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	if n, err := objstore.Range(info.Size, offset, length); err != nil || n != 0 {
		return nil, fmt.Errorf("read object %s: %w", name, objstore.ErrRange)
	}
	return io.NopCloser(strings.NewReader("")), nil
}

// check makes sure that the answer is what was asked for: a server cuts a
// range that ends beyond the object, and one that knows no ranges sends all.
func check(a Answer, offset, length int64) error {
	if Header(offset, length) != "" && !strings.HasPrefix(a.Range, fmt.Sprintf("bytes %d-", offset)) {
		return fmt.Errorf("%w: the server answered with the range %q", objstore.ErrUnavailable, a.Range)
	}
	if length >= 0 && a.Size != length {
		return fmt.Errorf("%w: got %d bytes of %d", objstore.ErrRange, a.Size, length)
	}
	return nil
}
