package gate_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

const (
	pack    = "packs/00/00112233445566778899aabbccddeeff"
	index   = "indexes/00112233445566778899aabbccddeeff"
	ours    = "ffeeddccbbaa99887766554433221100" // the recovery point of gatetest.Usual
	theirs  = "0123456789abcdef0123456789abcdef"
	objects = agentv1.PathGateObjects + "/"
)

// world is a gate with a bucket in memory behind it.
type world struct {
	*gatetest.World
	t      *testing.T
	memory *objstoretest.Memory
	log    *journal
}

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// String returns everything so far.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newWorld(t *testing.T, o gatetest.Options) *world {
	t.Helper()
	w := &world{t: t, memory: &objstoretest.Memory{}, log: &journal{}}
	if o.Log == nil {
		o.Log = w.log
	}
	w.World = gatetest.New(t, w.memory, o)
	return w
}

func (w *world) settings() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(w.CA))
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
}

// client sends requests, with a certificate if one is given.
func (w *world) client(certificate *tls.Certificate) *http.Client {
	settings := w.settings()
	if certificate != nil {
		settings.Certificates = []tls.Certificate{*certificate}
	}
	transport := &http.Transport{TLSClientConfig: settings}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// request makes a request with the token of the usual grant.
func (w *world) request(method, path, body string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.Grant(gatetest.Usual()).Token)
	return r
}

// send returns status and code of the answer to a request.
func (w *world) send(client *http.Client, r *http.Request) (status int, code, body string) {
	w.t.Helper()
	answer, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.read(answer)
}

// read takes an answer in, and checks that a refusal is a whole one.
func (w *world) read(answer *http.Response) (status int, code, body string) {
	w.t.Helper()
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	code = answer.Header.Get(agentv1.HeaderGateCode)
	if answer.StatusCode >= 300 && len(raw) > 0 && code != "" {
		var problem agentv1.ErrorResponse
		if err := json.Unmarshal(raw, &problem); err != nil || problem.Error.Code != code || problem.Error.Message == "" {
			w.t.Errorf("answer %d %s with the body %s", answer.StatusCode, code, raw)
		}
	}
	return answer.StatusCode, code, string(raw)
}

// wire is a connection on which a test writes what no client would.
type wire struct {
	*world
	conn *tls.Conn
	in   *bufio.Reader
}

func (w *world) dial() *wire {
	w.t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(w.URL, "https://"), w.settings())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	return &wire{w, conn, bufio.NewReader(conn)}
}

func (c *wire) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// begin writes a request line and headers, with the usual grant.
func (c *wire) begin(line string, headers ...string) {
	c.t.Helper()
	head := append([]string{line + " HTTP/1.1", "Host: gate", "Authorization: Bearer " + c.Grant(gatetest.Usual()).Token}, headers...)
	c.write(strings.Join(head, "\r\n") + "\r\n\r\n")
}

// answer reads an answer; 0 when the connection was closed instead.
func (c *wire) answer() (status int, code string) {
	c.t.Helper()
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, ""
	}
	status, code, _ = c.read(answer)
	return status, code
}

// nothing checks that no object came to be.
func (w *world) nothing(after string) {
	w.t.Helper()
	if names := w.memory.Names(""); len(names) != 0 {
		w.t.Errorf("%s: there is %q", after, names)
	}
}
