package overhttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// TestBodyIsExact reads content of any length, in any pieces, as a body of any
// size: it arrives whole when the two agree, and short of a byte when not.
func TestBodyIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "content")
		size := rapid.IntRange(0, 100).Draw(t, "size")
		pieces := rapid.IntRange(1, 50).Draw(t, "pieces")
		var r io.Reader = bytes.NewReader(content)
		if rapid.Bool().Draw(t, "end with data") {
			r = iotest.DataErrReader(r)
		}
		body := overhttp.NewBody(r, int64(size))
		got, err := readInPieces(body, pieces)
		switch {
		case size == len(content):
			if err != nil || !bytes.Equal(got, content) || body.Err() != nil {
				t.Fatalf("%d bytes, %v, %v", len(got), err, body.Err())
			}
		case !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(body.Err(), io.ErrUnexpectedEOF) || size > 0 && len(got) >= size:
			t.Fatalf("%d bytes of %d as %d: %v, %v", len(got), len(content), size, err, body.Err())
		}
	})
}

func readInPieces(r io.Reader, size int) (got []byte, err error) {
	for p := make([]byte, size); ; {
		n, err := r.Read(p)
		got = append(got, p[:n]...)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

// TestBodyCanBeAskedForItsSizeOnly has what client libraries ask of a body.
func TestBodyCanBeAskedForItsSizeOnly(t *testing.T) {
	body := overhttp.NewBody(strings.NewReader("abc"), 3)
	if end, err := body.Seek(0, io.SeekEnd); end != 3 || err != nil {
		t.Error(end, err)
	}
	if at, err := body.Seek(0, io.SeekStart); at != 0 || err != nil {
		t.Error(at, err)
	}
	if _, err := io.ReadAll(body); err != nil {
		t.Error(err)
	}
	if _, err := body.Seek(0, io.SeekStart); err == nil {
		t.Error("it went back to what was sent")
	}
}

// answering gives the same answer to every read of a 10-byte object.
type answering struct {
	answer func(offset, length int64) (overhttp.Answer, error)
}

func (a answering) Fetch(_ context.Context, _ string, offset, length int64) (overhttp.Answer, error) {
	return a.answer(offset, length)
}

func (answering) Stat(context.Context, string) (objstore.Info, error) {
	return objstore.Info{Name: "a", Size: 10}, nil
}

func TestAnswersOtherThanAskedForAreRefused(t *testing.T) {
	const all = "0123456789"
	body := func(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }
	for name, c := range map[string]struct {
		offset, length int64
		answer         overhttp.Answer
		err            error
		want           error
	}{
		"right":                 {2, 3, overhttp.Answer{Body: body("234"), Size: 3, Range: "bytes 2-4/10"}, nil, nil},
		"whole":                 {0, -1, overhttp.Answer{Body: body(all), Size: 10}, nil, nil},
		"whole of no told size": {0, -1, overhttp.Answer{Body: body(all), Size: -1}, nil, nil},
		"all instead of a part": {2, 3, overhttp.Answer{Body: body(all), Size: 10}, nil, objstore.ErrUnavailable},
		"another part":          {2, 3, overhttp.Answer{Body: body("345"), Size: 3, Range: "bytes 3-5/10"}, nil, objstore.ErrUnavailable},
		"cut at the end":        {8, 5, overhttp.Answer{Body: body("89"), Size: 2, Range: "bytes 8-9/10"}, nil, objstore.ErrRange},
		"at the very end":       {10, -1, overhttp.Answer{}, objstore.ErrRange, nil},
		"beyond the end":        {11, -1, overhttp.Answer{}, objstore.ErrRange, objstore.ErrRange},
		"too far to count":      {1, 1<<63 - 1, overhttp.Answer{}, nil, objstore.ErrRange},
	} {
		store := answering{func(int64, int64) (overhttp.Answer, error) { return c.answer, c.err }}
		got, err := overhttp.Get(t.Context(), store, "a", c.offset, c.length)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			got.Close()
		}
	}
}

// TestListsAreWholeOrFail draws pages at random, with and without a fault.
func TestListsAreWholeOrFail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, size := rapid.IntRange(0, 30).Draw(t, "objects"), rapid.IntRange(1, 7).Draw(t, "page size")
		fault := rapid.SampledFrom([]string{"", "error", "no token", "same token", "order"}).Draw(t, "fault")
		faulty := rapid.IntRange(0, max(0, (n-1)/size)).Draw(t, "page of the fault")
		page := 0
		seen := 0
		var last error
		for _, err := range overhttp.List("", func(token string) (overhttp.Page, error) {
			p := overhttp.Page{}
			for i := page * size; i < min(n, (page+1)*size); i++ {
				p.Objects = append(p.Objects, objstore.Info{Name: fmt.Sprintf("%02d", i)})
			}
			page++
			if p.More = page*size < n; p.More {
				p.Next = fmt.Sprint(page)
			}
			if page != faulty+1 {
				return p, nil
			}
			switch fault {
			case "error":
				return overhttp.Page{}, objstore.ErrUnavailable
			case "no token":
				p.More, p.Next = true, ""
			case "same token":
				p.More, p.Next = true, token
			case "order":
				p.Objects = append(p.Objects, objstore.Info{Name: "0"}) // "00" comes after it
			}
			return p, nil
		}) {
			if last = err; err == nil {
				seen++
			}
		}
		whole := last == nil && seen == n
		outOfOrder := fault == "order" && n > 0
		if fault == "" && !whole || (fault == "error" || fault == "no token" || fault == "same token" || outOfOrder) && last == nil {
			t.Fatalf("fault %q: saw %d of %d, %v", fault, seen, n, last)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{"": 0, "5": 5 * time.Second, "0": 0, "-3": 0, "soon": 0, "999999999": time.Hour} {
		err := overhttp.Refusal("do", objstore.ErrUnavailable, "SlowDown", 503, http.Header{"Retry-After": {value}})
		var after time.Duration
		if later, ok := errors.AsType[*objstore.Later](err); ok {
			after = later.After
		}
		if after != want || !errors.Is(err, objstore.ErrUnavailable) {
			t.Errorf("%q: %v, %v", value, after, err)
		}
	}
	err := overhttp.Refusal("do", objstore.ErrForbidden, "AccessDenied", 403, http.Header{"Retry-After": {"5"}})
	if _, ok := errors.AsType[*objstore.Later](err); ok {
		t.Error("what is final is to be tried again")
	}
}
