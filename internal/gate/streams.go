package gate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"holdfast.dev/holdfast/internal/clock"
)

// slowest is the least rate of content in the long run, in bytes per second, and
// startTime what is allowed beside it: whoever is slower is given up, however
// the bytes are spread.
const (
	slowest   = 64 << 10
	startTime = time.Minute
)

// wall is the time of the network, where deadlines are kept.
var wall = clock.System{}

// patience bounds the time that is spent on waiting for a peer. The store's own
// time does not count.
type patience struct {
	idle    time.Duration // longest wait for the next bytes
	set     func(time.Time) error
	renewed time.Time // when the deadline was last moved, which is not at every call
	spent   time.Duration
	bytes   int64
}

// wait makes one call that moves bytes within the deadline.
func (w *patience) wait(move func() (int, error)) (int, error) {
	begin := wall.Now()
	if begin.Sub(w.renewed) >= w.idle/8 {
		w.renewed = begin
		_ = w.set(begin.Add(w.idle)) // a connection without deadlines is one of tests
	}
	n, err := move()
	w.spent += wall.Now().Sub(begin)
	w.bytes += int64(n)
	if err == nil && w.spent > startTime+time.Duration(w.bytes/slowest)*time.Second {
		err = fmt.Errorf("%d bytes in %v: %w", w.bytes, w.spent, os.ErrDeadlineExceeded)
	}
	return n, err
}

// incoming is the content of a request, of exactly left more bytes.
type incoming struct {
	*call
	patience
	left int64
	err  error // why it broke off
}

func (c *call) incoming(size int64) *incoming {
	return &incoming{call: c, left: size, patience: patience{idle: c.Limits.Idle, set: c.wire.SetReadDeadline}}
}

// Read gives the next bytes. The last ones are given only when the operation is
// alive at that moment.
func (in *incoming) Read(p []byte) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	if in.left == 0 {
		return 0, io.EOF
	}
	n, err := in.wait(func() (int, error) { return in.r.Body.Read(p[:min(int64(len(p)), in.left)]) })
	in.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if in.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == nil {
		err = pace(in.call, in.slot.in, n)
	}
	if err == nil && in.left == 0 {
		err = in.end()
	}
	if err != nil {
		in.err = fmt.Errorf("content of the request: %w", err)
		return 0, in.err
	}
	return n, nil
}

// end takes the deadline away, which would else strike while the store is still
// writing, and looks whether the operation lives.
func (in *incoming) end() error {
	_ = in.wire.SetReadDeadline(time.Time{}) // as above
	return in.checkAlive(in.r.Context())
}

// pace waits until n more bytes are due.
func pace(c *call, limit *rate.Limiter, n int) error {
	for limit != nil && n > 0 {
		part := min(n, burst)
		if err := limit.WaitN(c.r.Context(), part); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

// outgoing is the content of an answer.
type outgoing struct {
	*call
	patience
}

func (c *call) outgoing() *outgoing {
	return &outgoing{call: c, patience: patience{idle: c.Limits.Idle, set: c.wire.SetWriteDeadline}}
}

// buffers are what content is copied through; so many bytes at once make whole
// TLS records.
var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

func (out *outgoing) copy(content io.Reader) (int64, error) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	return io.CopyBuffer(out, struct{ io.Reader }{content}, *buffer) // no shortcuts past the deadline
}

// Write sends bytes.
func (out *outgoing) Write(p []byte) (int, error) {
	if err := pace(out.call, out.slot.out, len(p)); err != nil {
		return 0, err
	}
	return out.wait(func() (int, error) { return out.w.Write(p) })
}
