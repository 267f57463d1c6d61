package gate_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/objstore/gate"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

func open(t testing.TB, w *gatetest.World) *gate.Store {
	t.Helper()
	s, err := gate.Open(t.Context(), w.Grant(gatetest.Usual()), gate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// backdoor is a gate whose refusal to delete is checked; then the object goes
// away behind it, as the service's own garbage collection does it.
type backdoor struct {
	objstore.Store
	t      *testing.T
	behind objstore.Store
}

func (b backdoor) Delete(ctx context.Context, name string) error {
	err := b.Store.Delete(ctx, name)
	if errors.Is(err, objstore.ErrName) {
		return err
	}
	if !errors.Is(err, objstore.ErrForbidden) {
		b.t.Errorf("delete %s through the gate: %v", name, err)
	}
	return b.behind.Delete(ctx, name)
}

func TestGateKeepsTheContract(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		w := gatetest.New(t, &objstoretest.Memory{}, gatetest.Options{AnyName: true})
		return backdoor{open(t, w), t, objstore.Sub(w.Store, gatetest.Prefix)}
	})
}

func TestGateBeforeAFolderKeepsTheContract(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		folder, err := filesystem.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { folder.Close() })
		w := gatetest.New(t, folder, gatetest.Options{AnyName: true})
		return backdoor{open(t, w), t, objstore.Sub(folder, gatetest.Prefix)}
	})
}

// What goes wrong in the store behind the gate can be told from what is final,
// and repeated, through the gate.
func TestRetriedGateBeforeAFlakyStoreKeepsTheContract(t *testing.T) {
	quick := wrap.Retries{Attempts: 6, First: 1, Longest: 1}
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		memory := &objstoretest.Memory{}
		var calls atomic.Int64
		flaky := objstoretest.Faulty(memory, func(c objstoretest.Call) objstoretest.Fault {
			n := calls.Add(1) // a read to the end takes two calls in a row
			return objstoretest.Fault{Tear: n%3 == 0 && n%2 == 0, Before: map[bool]error{true: objstore.ErrUnavailable}[n%3 == 0 && n%2 == 1]}
		})
		w := gatetest.New(t, flaky, gatetest.Options{AnyName: true})
		w.Front(func(rw http.ResponseWriter, r *http.Request, behind http.Handler) { behind.ServeHTTP(hasty{rw}, r) })
		return backdoor{wrap.Retry(open(t, w), quick), t, objstore.Sub(memory, gatetest.Prefix)}
	})
}

// hasty is an answer that asks nobody to wait a second.
type hasty struct{ http.ResponseWriter }

// WriteHeader drops what asks to wait.
func (h hasty) WriteHeader(status int) {
	h.Header().Del("Retry-After")
	h.ResponseWriter.WriteHeader(status)
}

// Unwrap lets deadlines be set.
func (h hasty) Unwrap() http.ResponseWriter { return h.ResponseWriter }
