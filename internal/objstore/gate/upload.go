package gate

import (
	"io"
	"net/http"
	"sync"

	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// askFirst is the size from which the gate is asked whether it wants the
// content before that is sent.
const askFirst = 1 << 20

// upload is the content of a Put. An answer may come before all of it was sent,
// while the connection still reads from the source: wait tells when that is over.
type upload struct {
	*overhttp.Body
	size   int64
	closed func()
	done   chan struct{}
}

func newUpload(r io.Reader, size int64) *upload {
	u := &upload{Body: overhttp.NewBody(r, size), size: size, done: make(chan struct{})}
	u.closed = sync.OnceFunc(func() { close(u.done) })
	return u
}

// Close is called by the connection, in every case and when it reads no more.
func (u *upload) Close() error {
	u.closed()
	return nil
}

// wait returns when nothing reads from the source any more.
func (u *upload) wait() {
	if u.size > 0 {
		<-u.done
	}
}

func (u *upload) header() http.Header {
	h := http.Header{}
	if u.size >= askFirst {
		h.Set("Expect", "100-continue")
	}
	return h
}
