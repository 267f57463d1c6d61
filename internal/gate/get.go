package gate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/objstore"
)

// get answers an object, or one range of it.
func (c *call) get(name string) error {
	store, err := c.open(name, false)
	if err != nil {
		return err
	}
	offset, length, err := c.askedRange()
	if err != nil {
		return err
	}
	if offset > 0 && length < 0 { // the answer must name where the range ends
		if length, err = rest(c.r.Context(), store, name, offset); err != nil {
			return err
		}
	}
	body, err := store.Get(c.r.Context(), name, offset, length)
	if err != nil {
		return err
	}
	defer body.Close()
	c.headObject(offset, length)
	return c.send(body, length)
}

// rest is how many bytes an object has from offset on, at least one.
func rest(ctx context.Context, store objstore.Store, name string, offset int64) (int64, error) {
	info, err := store.Stat(ctx, name)
	if err == nil && offset >= info.Size {
		err = objstore.ErrRange
	}
	return info.Size - offset, err
}

// headObject begins the answer.
func (c *call) headObject(offset, length int64) {
	c.begun = true
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store")
	if length < 0 {
		c.w.WriteHeader(http.StatusOK) // in pieces, with an end that cannot be missed
		return
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", offset, offset+length-1))
	c.w.WriteHeader(http.StatusPartialContent)
}

// send copies content to the caller; length -1 is to its end. It bounds what is
// sent by the length that was announced.
func (c *call) send(content io.Reader, length int64) error {
	if length >= 0 {
		content = io.LimitReader(content, length)
	}
	out := c.outgoing()
	n, err := out.copy(content)
	if err == nil && length >= 0 && n != length {
		err = fmt.Errorf("the store gave %d bytes of %d: %w", n, length, io.ErrUnexpectedEOF)
	}
	return err
}

// head answers the size of an object.
func (c *call) head(name string) error {
	store, err := c.open(name, false)
	if err != nil {
		return err
	}
	info, err := store.Stat(c.r.Context(), name)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Length", strconv.FormatInt(info.Size, 10))
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// askedRange reads the one form of range that objects have: from a first byte to
// a last one, or to the end. Without one it is everything.
func (c *call) askedRange() (offset, length int64, err error) {
	sent := c.r.Header.Values("Range")
	if len(sent) == 0 {
		return 0, -1, nil
	}
	first, last, found := strings.Cut(strings.TrimPrefix(sent[0], "bytes="), "-")
	offset, ok := digits(first)
	if len(sent) > 1 || !strings.HasPrefix(sent[0], "bytes=") || !found || !ok {
		return 0, 0, badRange()
	}
	if last == "" {
		return offset, -1, nil
	}
	end, ok := digits(last)
	if !ok || end < offset {
		return 0, 0, badRange()
	}
	return offset, end - offset + 1, nil
}

func badRange() error {
	return refusal(agentv1.CodeGateRange, "a range is bytes=FIRST-LAST or bytes=FIRST-, within the object")
}

// digits reads a number without a sign, at most 2^62 so that sums stay whole.
func digits(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 62)
	return int64(n), err == nil
}
