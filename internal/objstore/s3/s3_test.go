package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/s3"
	server "holdfast.dev/holdfast/test/s3"
)

var buckets atomic.Int64

// newBucket makes a bucket on a real server.
func newBucket(t *testing.T, at *server.Server, pageSize int32) *s3.Store {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", buckets.Add(1))
	if _, err := at.Bucket(name); err != nil {
		t.Fatal(err)
	}
	return open(t, s3.Options{Bucket: name, Endpoint: at.URL, PageSize: pageSize})
}

// open fills in what a test does not care about.
func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	o.Region = server.Region
	o.AccessKey = server.AccessKey
	if o.SecretKey == "" {
		o.SecretKey = server.SecretKey
	}
	s, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAgainstVersityGateway(t *testing.T) {
	at := server.Start(t)
	for _, size := range []int32{0, 1, 2} {
		t.Run(fmt.Sprintf("page size %d", size), func(t *testing.T) {
			objstoretest.Run(t, func(t *testing.T) objstore.Store { return newBucket(t, at, size) })
		})
	}
	t.Run("a bucket that exists", func(t *testing.T) {
		if err := newBucket(t, at, 0).Exists(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("missing bucket", func(t *testing.T) {
		requireAll(t, open(t, s3.Options{Bucket: "missing", Endpoint: at.URL}), objstore.ErrNoBucket)
	})
	t.Run("wrong key", func(t *testing.T) {
		requireAll(t, open(t, s3.Options{Bucket: "bucket-1", Endpoint: at.URL, SecretKey: "wrong"}), objstore.ErrForbidden)
	})
}

// requireAll makes every call fail with the same kind of error.
func requireAll(t *testing.T, s *s3.Store, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, getErr := s.Get(ctx, "a", 0, -1)
	_, rangeErr := s.Get(ctx, "a", 1, 2)
	_, statErr := s.Stat(ctx, "a")
	listErr := errors.New("listing ended well")
	for _, err := range s.List(ctx, "") {
		listErr = err
	}
	for call, err := range map[string]error{"put": s.Put(ctx, "a", strings.NewReader("x"), 1), "put nothing": s.Put(ctx, "a", strings.NewReader(""), 0),
		"get": getErr, "get range": rangeErr, "list": listErr, "stat": statErr, "delete": s.Delete(ctx, "a"), "exists": s.Exists(ctx)} {
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", call, err, want)
		}
		if err != nil && strings.Contains(err.Error(), server.SecretKey) {
			t.Errorf("%s tells the key", call)
		}
	}
}

// answering opens a store on a server that always answers the same.
func answering(t *testing.T, answer http.HandlerFunc) *s3.Store {
	t.Helper()
	at := httptest.NewServer(answer)
	t.Cleanup(at.Close)
	return open(t, s3.Options{Bucket: "b", Endpoint: at.URL})
}

func errorDocument(code string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>m</Message></Error>`
}

func TestServerFaults(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{429, "", objstore.ErrUnavailable}, {500, "InternalError", objstore.ErrUnavailable}, {503, "SlowDown", objstore.ErrUnavailable},
		{503, "", objstore.ErrUnavailable}, {408, "", objstore.ErrUnavailable},
		{403, "AccessDenied", objstore.ErrForbidden}, {403, "", objstore.ErrForbidden}, {401, "", objstore.ErrForbidden},
		{404, "NoSuchBucket", objstore.ErrNoBucket},
	} {
		t.Run(fmt.Sprint(c.status, c.code), func(t *testing.T) {
			var calls atomic.Int32
			requireAll(t, answering(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.WriteHeader(c.status)
				if c.code != "" {
					fmt.Fprint(w, errorDocument(c.code))
				}
			}), c.want)
			if extra := int32(0); c.status == 404 {
				extra = 1 // a Stat that asks for the bucket
				calls.Add(-extra)
			}
			if calls.Load() != 8 {
				t.Errorf("%d requests for 8 calls: something retries", calls.Load())
			}
		})
	}
}

// TestPutAnswers has the answers that only a put gets.
func TestPutAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{412, "PreconditionFailed", objstore.ErrExists}, {409, "ConditionalRequestConflict", objstore.ErrUnavailable},
		{400, "RequestTimeout", objstore.ErrUnavailable}, {400, "ExpiredToken", objstore.ErrForbidden},
	} {
		s := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") != "*" {
				t.Error("the put has no condition")
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, errorDocument(c.code))
		})
		if err := s.Put(t.Context(), "a", strings.NewReader("x"), 1); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.code, err)
		}
	}
	for code, hint := range map[string]string{"NotImplemented": "conditional", "PermanentRedirect": "region"} {
		s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(map[string]int{"NotImplemented": 501, "PermanentRedirect": 301}[code])
			fmt.Fprint(w, errorDocument(code))
		})
		err := s.Put(t.Context(), "a", strings.NewReader("x"), 1)
		if err == nil || errors.Is(err, objstore.ErrUnavailable) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestAServerSaysWhenToComeBack(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(503)
	})
	err := s.Delete(t.Context(), "a")
	later, ok := errors.AsType[*objstore.Later](err)
	if !ok || later.After != 7*time.Second || !errors.Is(err, objstore.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// TestHalfAListingIsAnError has answers that a careless client takes for an
// empty or a shorter listing.
func TestHalfAListingIsAnError(t *testing.T) {
	item := `<Contents><Key>%s</Key><Size>1</Size></Contents>`
	head := `<?xml version="1.0"?><ListBucketResult><Name>b</Name><KeyCount>1</KeyCount>`
	for name, c := range map[string]struct {
		body string
		cut  bool
	}{
		"empty":                {"", false},
		"not XML":              {"<html>hello", false},
		"cut document":         {head + fmt.Sprintf(item, "a"), false},
		"broken off":           {head + fmt.Sprintf(item, "a"), true},
		"nothing said":         {`<?xml version="1.0"?><ListBucketResult></ListBucketResult>`, false},
		"more, but not where":  {head + `<IsTruncated>true</IsTruncated>` + fmt.Sprintf(item, "a") + `</ListBucketResult>`, false},
		"the same page again":  {head + `<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>` + fmt.Sprintf(item, "a") + `</ListBucketResult>`, false},
		"out of order":         {head + `<IsTruncated>false</IsTruncated>` + fmt.Sprintf(item, "b") + fmt.Sprintf(item, "a") + `</ListBucketResult>`, false},
		"an object of no size": {head + `<IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>`, false},
	} {
		s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.cut {
				w.Header().Set("Content-Length", "10000")
			}
			fmt.Fprint(w, c.body)
		})
		var last error
		for _, last = range s.List(t.Context(), "") {
		}
		if last == nil {
			t.Errorf("%s: the listing ended well", name)
		}
	}
}

func TestHalfABodyIsAnError(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("half"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	body, err := s.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); !errors.Is(err, objstore.ErrUnavailable) || string(got) != "half" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestAServerThatKnowsNoRangesIsNotBelieved(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") })
	for _, length := range []int64{5, 10, -1} {
		if _, err := s.Get(t.Context(), "a", 5, length); err == nil {
			t.Errorf("length %d: the whole object was taken for a part of it", length)
		}
	}
}

func TestUnreachableServer(t *testing.T) {
	at := httptest.NewServer(http.NotFoundHandler())
	at.Close()
	requireAll(t, open(t, s3.Options{Bucket: "b", Endpoint: at.URL}), objstore.ErrUnavailable)
}

// TestABodyShowsItsEnd has what is on the wire.
func TestABodyShowsItsEnd(t *testing.T) {
	var got string
	s := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%d %s %s %s %s %q", r.ContentLength, r.Header.Get("X-Amz-Content-Sha256"), r.Header.Get("Content-Encoding"),
			r.Header.Get("X-Amz-Trailer"), r.Header.Get("X-Amz-Decoded-Content-Length"), body)
	})
	if err := s.Put(t.Context(), "a", strings.NewReader("hello, world"), 12); err != nil {
		t.Fatal(err)
	}
	const want = `53 STREAMING-UNSIGNED-PAYLOAD-TRAILER aws-chunked x-amz-checksum-crc32 12 "c\r\nhello, world\r\n0\r\nx-amz-checksum-crc32:/6tyOg==\r\n\r\n"`
	if got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

// TestAPutHoldsNoContent sends more than a test may hold.
func TestAPutHoldsNoContent(t *testing.T) {
	var got atomic.Int64
	s := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Store(n)
	})
	const size = 256 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := s.Put(t.Context(), "a", io.LimitReader(zeros{}, size), size); err != nil || got.Load() < size {
		t.Errorf("%d bytes arrived: %v", got.Load(), err)
	}
	runtime.ReadMemStats(&after)
	if held := after.TotalAlloc - before.TotalAlloc; held > 16<<20 {
		t.Errorf("%d bytes were allocated", held)
	}
}

type zeros struct{}

// Read gives zeros.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
