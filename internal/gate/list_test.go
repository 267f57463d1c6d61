package gate_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func TestPages(t *testing.T) {
	w := newWorld(t, gatetest.Options{AnyName: true})
	for _, name := range []string{"a", "b", "b/c", "d"} {
		w.memory.Overwrite(gatetest.Prefix+name, []byte(name))
	}
	for query, want := range map[string]string{
		"":                    `a1 b1 b/c3 d1 end`,
		"?max=2":              `a1 b1 next b`,
		"?max=4":              `a1 b1 b/c3 d1 end`,
		"?max=1&after=b":      `b/c3 next b/c`,
		"?after=b%2Fc":        `d1 end`,
		"?after=d":            `end`,
		"?after=zz":           `end`,
		"?prefix=b":           `b1 b/c3 end`,
		"?prefix=b/":          `b/c3 end`,
		"?prefix=b/&max=1":    `b/c3 end`,
		"?prefix=b&max=1":     `b1 next b`,
		"?prefix=&after=":     `a1 b1 b/c3 d1 end`,
		"?max=9999999":        `a1 b1 b/c3 d1 end`,
		"?max=0":              agentv1.CodeGateBadRequest,
		"?max=-1":             agentv1.CodeGateBadRequest,
		"?max=x":              agentv1.CodeGateBadRequest,
		"?max=1&max=2":        agentv1.CodeGateBadRequest,
		"?prefix=../":         agentv1.CodeGateBadRequest,
		"?prefix=/":           agentv1.CodeGateBadRequest,
		"?prefix=%2e%2e%2fx":  agentv1.CodeGateBadRequest,
		"?after=../x":         agentv1.CodeGateBadRequest,
		"?limit=1":            agentv1.CodeGateBadRequest,
		"?prefix=a;max=1":     agentv1.CodeGateBadRequest,
		"?prefix=%zz":         agentv1.CodeGateBadRequest,
		"?prefix=a%00":        agentv1.CodeGateBadRequest,
		"?prefix=b&prefix=/x": agentv1.CodeGateBadRequest,
	} {
		_, code, body := w.send(w.client(nil), w.request(http.MethodGet, agentv1.PathGateObjects+query, ""))
		if code != "" {
			body = code
		}
		short := strings.NewReplacer(`{"name":"`, "", `","size":`, "", `{"next":"`, "next ", `"}`, "", `{"end":true}`, "end", "}", "", "\n", " ").Replace(body)
		if strings.TrimSpace(short) != want {
			t.Errorf("%q: %s, want %s", query, short, want)
		}
	}
}

// A listing that fails in the store fails on the wire: before its first line with
// a reason, later by breaking off.
func TestListThatBreaks(t *testing.T) {
	memory := &objstoretest.Memory{}
	for n := range 5000 {
		memory.Overwrite(fmt.Sprintf("%s%04d", gatetest.Prefix, n), nil)
	}
	fault := objstoretest.Fault{Before: objstore.ErrUnavailable}
	w := &world{t: t, memory: memory, World: gatetest.New(t, objstoretest.Faulty(memory, func(objstoretest.Call) objstoretest.Fault { return fault }), gatetest.Options{AnyName: true})}
	if status, code, _ := w.send(w.client(nil), w.request(http.MethodGet, agentv1.PathGateObjects, "")); status != 503 || code != agentv1.CodeGateStoreUnavailable {
		t.Errorf("before: %d %s", status, code)
	}
	fault = objstoretest.Fault{After: objstore.ErrUnavailable}
	answer, err := w.client(nil).Do(w.request(http.MethodGet, agentv1.PathGateObjects, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text strings.Builder
	if _, err := fmt.Fscanln(answer.Body, &text); err == nil {
		t.Log("a line came")
	}
	buffer := make([]byte, 1<<20)
	for err == nil {
		_, err = answer.Body.Read(buffer)
	}
	if err.Error() == "EOF" {
		t.Error("a listing that broke off ended like a whole one")
	}
}
