package gate_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/gate/grants"
)

func TestWhoIsTurnedAway(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	ended := gatetest.Usual()
	ended.Operation = "ended"
	w.End("ended")
	old := w.Grant(gatetest.Usual()).Token
	w.Clock.Advance(grants.Life)
	good := "Bearer " + w.Grant(gatetest.Usual()).Token
	for name, c := range map[string]struct {
		sent   []string
		status int
		code   string
	}{
		"no grant":          {nil, 401, agentv1.CodeGateGrantInvalid},
		"an empty grant":    {[]string{""}, 401, agentv1.CodeGateGrantInvalid},
		"two grants":        {[]string{good, good}, 401, agentv1.CodeGateGrantInvalid},
		"another scheme":    {[]string{strings.Replace(good, "Bearer", "Basic", 1)}, 401, agentv1.CodeGateGrantInvalid},
		"a changed grant":   {[]string{good[:len(good)-2]}, 401, agentv1.CodeGateGrantInvalid},
		"an expired grant":  {[]string{"Bearer " + old}, 401, agentv1.CodeGateGrantExpired},
		"an ended grant":    {[]string{"Bearer " + w.Grant(ended).Token}, 401, agentv1.CodeGateGrantEnded},
		"a good grant":      {[]string{good}, 201, ""},
		"in another casing": {[]string{strings.Replace(good, "Bearer", "bearer", 1)}, 409, agentv1.CodeGateExists},
	} {
		r := w.request(http.MethodPut, objects+pack, "x")
		r.Header["Authorization"] = c.sent
		if name == "in another casing" {
			w.memory.Overwrite(gatetest.Prefix+pack, nil)
		}
		if status, code, _ := w.send(w.client(nil), r); status != c.status || code != c.code {
			t.Errorf("%s: %d %s", name, status, code)
		}
		if name != "in another casing" && name != "a good grant" {
			w.nothing(name)
		}
		_ = w.memory.Delete(t.Context(), gatetest.Prefix+pack) // does not fail
	}
}

func TestCertificateOfAnotherCluster(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	for name, c := range map[string]struct {
		certificate *tls.Certificate
		status      int
		code        string
	}{
		"none, as movers": {nil, 404, agentv1.CodeGateNotFound},
		"its own":         {gatetest.Certificate(t, strings.ToUpper(gatetest.Cluster)), 404, agentv1.CodeGateNotFound},
		"another's":       {gatetest.Certificate(t, gatetest.Cluster+"2"), 403, agentv1.CodeGateWrongCluster},
		"nobody's":        {gatetest.Certificate(t, ""), 403, agentv1.CodeGateWrongCluster},
	} {
		if status, code, _ := w.send(w.client(c.certificate), w.request(http.MethodGet, objects+pack, "")); status != c.status || code != c.code {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
}

func TestRenew(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	first := w.request(http.MethodPost, agentv1.PathGateRenew, "")
	w.Clock.Advance(50 * time.Minute)
	status, _, body := w.send(w.client(nil), first)
	if status != 200 || !strings.Contains(body, `"seconds":3600`) {
		t.Fatalf("%d %s", status, body)
	}
	_, token, _ := strings.Cut(body, `"token":"`)
	token, _, _ = strings.Cut(token, `"`)
	w.Clock.Advance(50 * time.Minute) // the first one's time is over
	if status, code, _ := w.send(w.client(nil), first); status != 401 || code != agentv1.CodeGateGrantExpired {
		t.Errorf("the first grant: %d %s", status, code)
	}
	if g, err := w.Issuer.Verify(token); err != nil || g != gatetest.Usual() {
		t.Errorf("renewed as %+v, %v", g, err)
	}
	again := w.request(http.MethodPost, agentv1.PathGateRenew, "")
	w.End("op")
	if status, code, _ := w.send(w.client(nil), again); status != 401 || code != agentv1.CodeGateGrantEnded {
		t.Errorf("after the operation: %d %s", status, code)
	}
}

// The gate lets nobody in while it cannot ask for the operation, and says that
// it is its own trouble.
func TestOperationsThatCannotBeAsked(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	w.Break(errors.New("the catalog is locked"))
	if status, code, body := w.send(w.client(nil), w.request(http.MethodPut, objects+pack, "x")); status != 500 || code != agentv1.CodeGateInternal || strings.Contains(body, "locked") {
		t.Errorf("%d %s %s", status, code, body)
	}
	w.nothing("unknown operation")
	w.Break(nil)
	if status, _, _ := w.send(w.client(nil), w.request(http.MethodPut, objects+pack, "x")); status != 201 {
		t.Errorf("mended: %d", status)
	}
}

// What is known of an operation is believed for a few seconds only.
func TestEndOfAnOperationIsHeardOf(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	r := w.request(http.MethodHead, objects+pack, "")
	if status, _, _ := w.send(w.client(nil), r); status != 404 {
		t.Fatalf("before: %d", status)
	}
	w.End("op")
	if status, code, _ := w.send(w.client(nil), r); status != 401 || code != agentv1.CodeGateGrantEnded {
		t.Errorf("after: %d %s", status, code)
	}
}

func TestLogTellsNoToken(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	r := w.request(http.MethodPut, objects+pack, "x")
	w.Break(errors.New("down"))
	w.send(w.client(nil), r)
	w.Break(nil)
	w.send(w.client(gatetest.Certificate(t, "another")), w.request(http.MethodPut, objects+pack, "x"))
	if log := w.log.String(); !strings.Contains(log, "level=WARN") || strings.Contains(log, "eyJ") || strings.Count(log, "\n") != 2 {
		t.Errorf("logged:\n%s", log)
	}
}
