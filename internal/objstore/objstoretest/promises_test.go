package objstoretest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

// TestWhoBreaksAPromiseIsRefused has a store for each promise that can be tried.
func TestWhoBreaksAPromiseIsRefused(t *testing.T) {
	memory := func() *objstoretest.Memory { return &objstoretest.Memory{} }
	for name, c := range map[string]struct {
		store objstore.Store
		says  string
	}{
		"overwrites":  {objstoretest.Overwriting{Memory: memory()}, "overwrites"},
		"stale lists": {&objstoretest.StaleLists{Store: memory(), Behind: 1}, "late"},
		"staler":      {&objstoretest.StaleLists{Store: memory(), Behind: 9}, "late"},
		"short lists": {objstoretest.ShortLists{Store: memory()}, "late"},
		"tears":       {wrap.Retry(objstoretest.Tearing{Memory: memory(), When: func(string) bool { return true }}, wrap.Retries{First: 1, Longest: 1}), "other bytes"},
		"wins twice":  {racy{memory()}, "at once"},
	} {
		err := objstore.CheckPromises(t.Context(), c.store)
		if !errors.Is(err, objstore.ErrUnsafe) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// racy takes the race's puts for made by whoever makes them.
type racy struct{ *objstoretest.Memory }

func (r racy) Put(ctx context.Context, name string, content io.Reader, size int64) error {
	err := r.Memory.Put(ctx, name, content, size)
	if strings.HasSuffix(name, "-race") && errors.Is(err, objstore.ErrExists) {
		return nil
	}
	return err
}

func TestWhoKeepsThePromisesIsTaken(t *testing.T) {
	memory := &objstoretest.Memory{}
	for name, store := range map[string]objstore.Store{
		"memory": memory,
		"flaky":  wrap.Retry(objstoretest.NewFlaky(memory), wrap.Retries{First: 1, Longest: 1}),
		"paged":  objstoretest.Paged(memory, 1),
		"no deletes": objstoretest.Faulty(&objstoretest.Memory{}, func(c objstoretest.Call) objstoretest.Fault {
			if c.Op == "delete" {
				return objstoretest.Fault{Before: objstore.ErrForbidden}
			}
			return objstoretest.Fault{}
		}),
	} {
		if err := objstore.CheckPromises(t.Context(), store); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if names := memory.Names(""); len(names) != 0 {
		t.Errorf("left behind: %q", names)
	}
}

func TestATrialTellsWhatTheStoreSays(t *testing.T) {
	for _, want := range []error{objstore.ErrForbidden, objstore.ErrNoBucket, objstore.ErrUnavailable} {
		for _, op := range []string{"put", "get", "stat", "list"} {
			err := objstore.CheckPromises(t.Context(), objstoretest.Faulty(&objstoretest.Memory{}, func(c objstoretest.Call) objstoretest.Fault {
				if c.Op == op {
					return objstoretest.Fault{Before: want}
				}
				return objstoretest.Fault{}
			}))
			if !errors.Is(err, want) || errors.Is(err, objstore.ErrUnsafe) {
				t.Errorf("%s: %v", op, err)
			}
		}
	}
}
