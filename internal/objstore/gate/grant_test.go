package gate_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/gate"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func TestGrantsThatAreNotOpened(t *testing.T) {
	w := gatetest.New(t, &objstoretest.Memory{}, gatetest.Options{})
	good := w.Grant(gatetest.Usual())
	for name, change := range map[string]func(*agentv1.GateGrant){
		"in the clear":       func(g *agentv1.GateGrant) { g.URL = strings.Replace(g.URL, "https", "http", 1) },
		"no address":         func(g *agentv1.GateGrant) { g.URL = "" },
		"an address within":  func(g *agentv1.GateGrant) { g.URL += "/elsewhere" },
		"rubbish to trust":   func(g *agentv1.GateGrant) { g.CA = "rubbish" },
		"an untrusted gate":  func(g *agentv1.GateGrant) { g.CA = "" },
		"nobody there":       func(g *agentv1.GateGrant) { g.URL = "https://127.0.0.1:1" },
		"a token of nobody":  func(g *agentv1.GateGrant) { g.Token = "guess" },
		"a token with lines": func(g *agentv1.GateGrant) { g.Token = "a\r\nX: y" },
	} {
		grant := good
		change(&grant)
		s, err := gate.Open(t.Context(), grant, gate.Options{})
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if grant.Token != "" && strings.Contains(err.Error(), grant.Token) {
			t.Errorf("%s: the error tells the token: %v", name, err)
		}
		if name == "a token of nobody" != errors.Is(err, gate.ErrGrant) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGrantIsKeptFresh(t *testing.T) {
	w := gatetest.New(t, &objstoretest.Memory{}, gatetest.Options{AnyName: true, Life: 3 * time.Second})
	s := open(t, w)
	renewals := make(chan struct{}, 100)
	w.Front(func(rw http.ResponseWriter, r *http.Request, behind http.Handler) {
		if r.URL.Path == agentv1.PathGateRenew {
			renewals <- struct{}{}
		}
		behind.ServeHTTP(rw, r)
	})
	w.Clock.Advance(2 * time.Second) // before it is renewed, after a second
	<-renewals
	<-renewals                       // so the answer to the first has arrived
	w.Clock.Advance(2 * time.Second) // the grant it was opened with has expired
	if err := s.Put(t.Context(), "a", strings.NewReader("x"), 1); err != nil {
		t.Fatal(err)
	}
	s.Close()
	w.Clock.Advance(4 * time.Second)
	if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, gate.ErrGrant) || !errors.Is(err, objstore.ErrForbidden) || !strings.Contains(err.Error(), agentv1.CodeGateGrantExpired) {
		t.Errorf("when nobody keeps it: %v", err)
	}
}

func TestGrantEndsWithItsOperation(t *testing.T) {
	w := gatetest.New(t, &objstoretest.Memory{}, gatetest.Options{AnyName: true})
	s := open(t, w)
	w.End("op")
	err := s.Put(t.Context(), "a", strings.NewReader("x"), 1)
	if !errors.Is(err, gate.ErrGrant) || !strings.Contains(err.Error(), agentv1.CodeGateGrantEnded) {
		t.Errorf("%v", err)
	}
}

// Put has the source to itself again when it returns, although the gate refuses
// an upload before it was sent: whoever rewinds it must not meet the connection.
func TestSourceIsFreeAfterARefusal(t *testing.T) {
	memory := &objstoretest.Memory{}
	w := gatetest.New(t, memory, gatetest.Options{AnyName: true})
	s := open(t, w)
	content := bytes.Repeat([]byte("x"), 8<<20)
	memory.Overwrite(gatetest.Prefix+"taken", nil)
	for range 20 {
		source := bytes.NewReader(content)
		if err := s.Put(t.Context(), "taken", source, int64(len(content))); !errors.Is(err, objstore.ErrExists) {
			t.Fatal(err)
		}
		if _, err := source.Seek(0, io.SeekStart); err != nil { // a race, if it is one
			t.Fatal(err)
		}
	}
}

// An answer of something in between is not taken for the gate's.
func TestNotFoundOfAStranger(t *testing.T) {
	w := gatetest.New(t, &objstoretest.Memory{}, gatetest.Options{AnyName: true})
	s := open(t, w)
	if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("of the gate: %v", err)
	}
	w.Front(func(rw http.ResponseWriter, r *http.Request, _ http.Handler) { http.NotFound(rw, r) })
	if _, err := s.Stat(t.Context(), "a"); errors.Is(err, objstore.ErrNotFound) || !errors.Is(err, objstore.ErrUnavailable) {
		t.Errorf("of a stranger: %v", err)
	}
	for _, err := range s.List(t.Context(), "") {
		if !errors.Is(err, objstore.ErrUnavailable) {
			t.Errorf("list of a stranger: %v", err)
		}
	}
}
