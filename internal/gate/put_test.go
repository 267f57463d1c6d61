package gate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func TestNothingIsChangedOrDeleted(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	w.memory.Overwrite(gatetest.Prefix+pack, []byte("first"))
	if status, code, _ := w.send(w.client(nil), w.request(http.MethodPut, objects+pack, "second")); status != 409 || code != agentv1.CodeGateExists {
		t.Errorf("overwrite: %d %s", status, code)
	}
	for _, method := range []string{http.MethodDelete, http.MethodPost, http.MethodPatch, http.MethodOptions, "MOVE", "COPY", "LOCK", "put"} {
		for _, path := range []string{objects + pack, agentv1.PathGateObjects} {
			if status, code, _ := w.send(w.client(nil), w.request(method, path, "")); status != 405 || code != agentv1.CodeGateMethod {
				t.Errorf("%s %s: %d %s", method, path, status, code)
			}
		}
	}
	if got := w.memory.Bytes(gatetest.Prefix + pack); string(got) != "first" {
		t.Errorf("content is %q", got)
	}
}

func TestReadOnlyGrantWritesNothing(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	reader := gatetest.Usual()
	reader.Rights = grants.Read
	r := w.request(http.MethodPut, objects+pack, "x")
	r.Header.Set("Authorization", "Bearer "+w.Grant(reader).Token)
	if status, code, _ := w.send(w.client(nil), r); status != 403 || code != agentv1.CodeGateNotAllowed {
		t.Errorf("%d %s", status, code)
	}
	w.nothing("a reader's put")
}

// Sizes that lie, on the wire as they stand. None may leave an object, and none
// may smuggle a second request in.
func TestSizesThatLie(t *testing.T) {
	put := "PUT " + objects + pack
	for name, headers := range map[string][]string{
		"no size":             {},
		"in chunks":           {"Transfer-Encoding: chunked"},
		"chunks and a size":   {"Transfer-Encoding: chunked", "Content-Length: 1"},
		"a size and chunks":   {"Content-Length: 1", "Transfer-Encoding: chunked"},
		"odd chunks":          {"Content-Length: 1", "Transfer-Encoding: xchunked"},
		"two sizes":           {"Content-Length: 1", "Content-Length: 2"},
		"a list of sizes":     {"Content-Length: 1, 2"},
		"a negative size":     {"Content-Length: -1"},
		"a signed size":       {"Content-Length: +1"},
		"a hexadecimal size":  {"Content-Length: 0x1"},
		"more than 64 bits":   {"Content-Length: 18446744073709551617"},
		"most of 63 bits":     {"Content-Length: 9223372036854775807"},
		"one byte too much":   {fmt.Sprintf("Content-Length: %d", agentv1.GateMaxObject+1)},
		"an empty size":       {"Content-Length:"},
		"a size after a line": {"X: y\rContent-Length: 1"},
	} {
		w := newWorld(t, gatetest.Options{})
		c := w.dial()
		c.begin(put, headers...)
		c.write("1\r\nx\r\n0\r\n\r\n")
		if status, _ := c.answer(); status < 400 && status != 0 {
			t.Errorf("%s: %d", name, status)
		}
		w.nothing(name)
	}
}

func TestContentThatDoesNotComeWhole(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	for _, sent := range []int{0, 1, 999, 100_000} {
		c := w.dial()
		c.begin("PUT "+objects+pack, "Content-Length: 100001")
		c.write(strings.Repeat("x", sent))
		c.conn.Close()
	}
	half := w.dial()
	half.begin("PUT "+objects+pack, "Content-Length: 10")
	half.write("12345")
	if err := half.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if status, code := half.answer(); status != 0 && (status != 400 || code != agentv1.CodeGateBadRequest) {
		t.Errorf("half closed: %d %s", status, code)
	}
	time.Sleep(50 * time.Millisecond)
	w.nothing("cut-off uploads")
}

// An upload that outlives its operation never becomes an object.
func TestEndInTheMiddleOfAnUpload(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	c := w.dial()
	c.begin("PUT "+objects+pack, "Content-Length: 10")
	c.write("12345")
	time.Sleep(20 * time.Millisecond)
	w.End("op")
	c.write("67890")
	if status, code := c.answer(); status != 401 || code != agentv1.CodeGateGrantEnded {
		t.Errorf("%d %s", status, code)
	}
	w.nothing("an upload of an ended operation")
}

func TestSlowContent(t *testing.T) {
	w := newWorld(t, gatetest.Options{Limits: gate.Limits{Idle: time.Second}})
	c := w.dial()
	c.begin("PUT "+objects+pack, "Content-Length: 10")
	c.write("12345")
	begin := time.Now()
	if status, code := c.answer(); status != 408 || code != agentv1.CodeGateTimeout {
		t.Errorf("%d %s", status, code)
	}
	if waited := time.Since(begin); waited > 20*time.Second { // the usual limit is 30 s
		t.Errorf("waited %v", waited)
	}
	w.nothing("a slow upload")
}

// Content that nobody asked for does not hold a refused caller's connection.
func TestRefusedContentIsNotWaitedFor(t *testing.T) {
	w := newWorld(t, gatetest.Options{Limits: gate.Limits{Idle: time.Hour}})
	c := w.dial()
	c.write("PUT " + objects + pack + " HTTP/1.1\r\nHost: gate\r\nContent-Length: 1000\r\n\r\nx")
	c.answer()
	if _, err := c.in.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// stuck is a store whose puts wait.
type stuck struct {
	*objstoretest.Memory
	arrived, leave chan struct{}
}

// Put waits.
func (s stuck) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	s.arrived <- struct{}{}
	<-s.leave
	return s.Memory.Put(ctx, name, r, size)
}

func TestCallersBeyondTheLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits        gate.Limits
		same, another string
	}{
		"of one grant": {gate.Limits{PerGrant: 1}, agentv1.CodeGateTooMany, agentv1.CodeGateNotFound},
		"of all":       {gate.Limits{Requests: 1}, agentv1.CodeGateStoreUnavailable, agentv1.CodeGateStoreUnavailable},
	} {
		store := stuck{&objstoretest.Memory{}, make(chan struct{}), make(chan struct{})}
		w := &world{t: t, memory: store.Memory, World: gatetest.New(t, store, gatetest.Options{Limits: c.limits})}
		first := w.dial()
		first.begin("PUT "+objects+pack, "Content-Length: 1")
		first.write("x")
		<-store.arrived
		r := w.request(http.MethodGet, objects+pack, "")
		if _, code, _ := w.send(w.client(nil), r); code != c.same {
			t.Errorf("%s: the same grant: %s", name, code)
		}
		other := gatetest.Usual()
		other.Operation = "other"
		r.Header.Set("Authorization", "Bearer "+w.Grant(other).Token)
		if _, code, _ := w.send(w.client(nil), r); code != c.another {
			t.Errorf("%s: another grant: %s", name, code)
		}
		close(store.leave)
		if status, _ := first.answer(); status != 201 {
			t.Errorf("%s: the first: %d", name, status)
		}
		if status, _, _ := w.send(w.client(nil), r); status != 200 {
			t.Errorf("%s: afterwards: %d", name, status)
		}
	}
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t, gatetest.Options{Limits: gate.Limits{BytesPerSecond: 8 << 20}})
	begin := time.Now()
	if status, _, _ := w.send(w.client(nil), w.request(http.MethodPut, objects+pack, strings.Repeat("x", 5<<20))); status != 201 {
		t.Fatal(status)
	}
	if spent := time.Since(begin); spent < 450*time.Millisecond { // 5 MiB less the burst
		t.Errorf("5 MiB at 8 MiB/s took %v", spent)
	}
}

// What the store says of itself stays with the service.
func TestErrorsOfTheStore(t *testing.T) {
	var fault atomic.Value
	memory := &objstoretest.Memory{}
	w := &world{t: t, memory: memory, World: gatetest.New(t, objstoretest.Faulty(memory, func(objstoretest.Call) objstoretest.Fault {
		return objstoretest.Fault{Before: fault.Load().(error)}
	}), gatetest.Options{})}
	for word, want := range map[error]string{
		objstore.ErrForbidden: "403 StoreForbidden", objstore.ErrUnavailable: "503 StoreUnavailable", objstore.ErrNoBucket: "404 BucketNotFound",
		objstore.ErrExists: "409 ObjectExists", objstore.ErrNotFound: "404 ObjectNotFound", fmt.Errorf("odd"): "500 InternalServerError",
	} {
		fault.Store(fmt.Errorf("https://secret.host/: %w", word))
		for method, body := range map[string]string{http.MethodPut: "x", http.MethodGet: "", http.MethodHead: ""} {
			status, code, text := w.send(w.client(nil), w.request(method, objects+pack, body))
			if got := fmt.Sprint(status, " ", code); got != want || strings.Contains(text, "secret") {
				t.Errorf("%s, %v: %s %s", method, word, got, text)
			}
		}
	}
	r := w.request(http.MethodGet, objects+pack, "")
	lost := gatetest.Usual()
	lost.Store = "lost"
	r.Header.Set("Authorization", "Bearer "+w.Grant(lost).Token)
	if status, code, _ := w.send(w.client(nil), r); status != 404 || code != agentv1.CodeGateNoBucket {
		t.Errorf("a store that is not there: %d %s", status, code)
	}
}

func TestEmptyAndFullObjects(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	full := bytes.Repeat([]byte("0123456789abcdef"), agentv1.GateMaxObject/16)
	for name, content := range map[string]string{pack: string(full), index: ""} {
		if status, code, _ := w.send(w.client(nil), w.request(http.MethodPut, objects+name, content)); status != 201 {
			t.Errorf("%d bytes: %d %s", len(content), status, code)
		}
		if got := w.memory.Bytes(gatetest.Prefix + name); string(got) != content {
			t.Errorf("stored %d bytes of %d", len(got), len(content))
		}
	}
}
