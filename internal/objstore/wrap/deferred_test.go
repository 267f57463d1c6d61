package wrap_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

// A store that cannot be opened yet fails every call, and works once it can.
func TestDeferred(t *testing.T) {
	real, opened := &objstoretest.Memory{}, 0
	there := false
	store := wrap.Deferred(func(context.Context) (objstore.Store, error) {
		opened++
		if !there {
			return nil, objstore.ErrNoBucket
		}
		return real, nil
	})
	ctx := t.Context()
	calls := func() []error {
		_, stat := store.Stat(ctx, "a")
		body, get := store.Get(ctx, "a", 0, -1)
		if get == nil {
			_ = body.Close()
		}
		var list error
		for _, err := range store.List(ctx, "") {
			list = err
		}
		return []error{stat, get, list, store.Delete(ctx, "b"), store.Put(ctx, "c", strings.NewReader("1"), 1)}
	}
	for i, err := range calls() {
		if !errors.Is(err, objstore.ErrNoBucket) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if opened != 5 {
		t.Errorf("tried %d times", opened)
	}
	there = true
	if err := real.Put(ctx, "a", strings.NewReader("1"), 1); err != nil {
		t.Fatal(err)
	}
	for i, err := range calls() {
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if opened != 6 {
		t.Errorf("opened %d times after it was there, want once", opened-5)
	}
}
