package gate_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

// A listing that was cut off anywhere, or that lies, is never taken for a whole one.
func TestListingsThatAreNotWhole(t *testing.T) {
	const whole = `{"name":"a","size":1}` + "\n" + `{"name":"b"}` + "\n" + `{"end":true}` + "\n"
	answers := map[string]string{
		"out of order": `{"name":"b"}` + "\n" + `{"name":"a"}` + "\n" + `{"end":true}`,
		"twice":        `{"name":"a"}` + "\n" + `{"name":"a"}` + "\n" + `{"end":true}`,
		"no name":      `{"size":3}` + "\n" + `{"end":true}`,
		"a way out":    `{"name":"../x"}` + "\n" + `{"end":true}`,
		"negative":     `{"name":"a","size":-1}` + "\n" + `{"end":true}`,
		"after end":    whole + `{"name":"c"}`,
		"two ends":     whole + `{"end":true}`,
		"a gap":        `{"name":"a"}` + "\n" + `{"next":"b"}`,
		"no progress":  `{"next":"a"}`,
		"not JSON":     `<html>`,
	}
	for n := range len(whole) - 2 { // without the line feed it is whole still
		answers[fmt.Sprintf("cut off after %d bytes", n)] = whole[:n]
	}
	for name, answer := range answers {
		w := gatetest.New(t, &objstoretest.Memory{}, gatetest.Options{})
		s := open(t, w)
		w.Front(func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = rw.Write([]byte(answer)) // the client may have hung up
		})
		var failed error
		for _, err := range s.List(t.Context(), "") {
			failed = err
		}
		if failed == nil {
			t.Errorf("%s: taken for whole", name)
		}
		if strings.HasPrefix(name, "cut") && !errors.Is(failed, objstore.ErrUnavailable) {
			t.Errorf("%s: %v", name, failed)
		}
	}
}

func TestListOfManyPages(t *testing.T) {
	memory := &objstoretest.Memory{}
	for n := range 5000 {
		memory.Overwrite(fmt.Sprintf("%spacks/%04d", gatetest.Prefix, n), nil)
	}
	for _, limit := range []int{1, 7, 1000, 5000} {
		w := gatetest.New(t, memory, gatetest.Options{AnyName: true})
		s := open(t, w)
		pages := 0
		w.Front(func(rw http.ResponseWriter, r *http.Request, behind http.Handler) { // as if the gate's pages were small
			if r.URL.Path == agentv1.PathGateObjects {
				query := r.URL.Query()
				query.Set("max", fmt.Sprint(limit))
				r.URL.RawQuery = query.Encode()
				pages++
			}
			behind.ServeHTTP(rw, r)
		})
		want := 5000
		prefix := "packs/"
		if limit == 1 {
			prefix, want = "packs/49", 100
		}
		if got := len(objstoretest.Names(t, s, prefix)); got != want || pages < want/limit {
			t.Errorf("%d objects in %d pages of %d", got, pages, limit)
		}
	}
}
