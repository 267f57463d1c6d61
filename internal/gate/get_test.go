package gate_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func TestRanges(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	w.memory.Overwrite(gatetest.Prefix+pack, []byte("0123456789"))
	for asked, want := range map[string]string{
		"": "0123456789", "bytes=0-9": "0123456789", "bytes=3-5": "345", "bytes=9-9": "9", "bytes=7-": "789",
		"bytes=0-10": "416", "bytes=10-": "416", "bytes=10-10": "416", "bytes=11-": "416", "bytes=5-4": "416", "bytes=-3": "416",
		"bytes=-": "416", "bytes=": "416", "bytes=a-b": "416", "bytes=0-1,3-4": "416", "bytes=+1-2": "416", "bytes=1--2": "416",
		"bytes=0x1-2": "416", "items=0-1": "416", "0-1": "416", "bytes= 0-1": "416",
		"bytes=0-9223372036854775807": "416", "bytes=9223372036854775807-": "416", "bytes=9223372036854775807-9223372036854775807": "416",
		"bytes=0-4611686018427387903": "416", "bytes=4611686018427387903-4611686018427387903": "416", "bytes=18446744073709551616-18446744073709551617": "416",
	} {
		r := w.request(http.MethodGet, objects+pack, "")
		if asked != "" {
			r.Header.Set("Range", asked)
		}
		status, code, body := w.send(w.client(nil), r)
		if status == 416 && code == agentv1.CodeGateRange {
			body = "416"
		}
		if body != want || asked != "" && want != "416" && status != 206 {
			t.Errorf("%q: %d %q, want %q", asked, status, body, want)
		}
	}
	r := w.request(http.MethodGet, objects+pack, "")
	r.Header["Range"] = []string{"bytes=0-1", "bytes=2-3"}
	if status, _, _ := w.send(w.client(nil), r); status != 416 {
		t.Errorf("two ranges: %d", status)
	}
}

func TestReadingTakesNoContent(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if status, _, _ := w.send(w.client(nil), w.request(method, objects+pack, "x")); status != 400 {
			t.Errorf("%s: %d", method, status)
		}
	}
}

// short is a store that gives less than it should, without saying so.
type short struct{ *objstoretest.Memory }

// Get drops the last byte.
func (s short) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	body, err := s.Memory.Get(ctx, name, offset, length)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.LimitReader(body, length-1)), nil
}

// What the store loses is not passed off as the range that was asked for.
func TestStoreThatGivesTooLittle(t *testing.T) {
	memory := &objstoretest.Memory{}
	memory.Overwrite(gatetest.Prefix+pack, make([]byte, 1<<20))
	w := &world{t: t, memory: memory, World: gatetest.New(t, short{memory}, gatetest.Options{})}
	r := w.request(http.MethodGet, objects+pack, "")
	r.Header.Set("Range", "bytes=0-1048575")
	answer, err := w.client(nil).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("%d bytes ended well", len(got))
	}
}

// A caller that does not read loses its connection, and its slot.
func TestSlowReader(t *testing.T) {
	w := newWorld(t, gatetest.Options{Limits: gate.Limits{Idle: time.Second, PerGrant: 1}})
	w.memory.Overwrite(gatetest.Prefix+pack, bytes.Repeat([]byte("x"), 48<<20))
	c := w.dial()
	c.begin("GET " + objects + pack)
	if _, err := c.in.ReadByte(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, code, _ := w.send(w.client(nil), w.request(http.MethodHead, objects+pack, ""))
		if status == 200 {
			break
		}
		if code != "" && code != agentv1.CodeGateTooMany || time.Now().After(end) {
			t.Fatalf("%d %s", status, code)
		}
	}
	if n, err := io.Copy(io.Discard, c.in); err == nil && n >= 48<<20 {
		t.Errorf("%d bytes came all the same", n)
	}
}

func TestUnknownPaths(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	for _, path := range []string{"/gate/", "/gate/v1", "/gate/v1/objectsx", "/gate/v2/objects/" + pack, "/gate/v1/renew/", "/gate/v1/OBJECTS/" + pack} {
		if status, code, _ := w.send(w.client(nil), w.request(http.MethodGet, path, "")); status != 404 || code != agentv1.CodeGateNotFound {
			t.Errorf("%s: %d %s", path, status, code)
		}
	}
	if status, _, _ := w.send(w.client(nil), w.request(http.MethodGet, agentv1.PathGateRenew, "")); status != 405 {
		t.Errorf("renew by GET: %d", status)
	}
}

func TestFrontHandsOn(t *testing.T) {
	front := gate.New(gate.Config{}).Front(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusTeapot) }))
	for path, want := range map[string]int{"/agent/v1/claim": http.StatusTeapot, "/gate/x": http.StatusNotFound} {
		r, err := http.NewRequest(http.MethodGet, "https://host"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		if front.ServeHTTP(recorder, r); recorder.Code != want {
			t.Errorf("%s: %d", path, recorder.Code)
		}
	}
}
