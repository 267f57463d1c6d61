package wrap_test

import (
	"io"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

// A body that broke and could not be opened again fails, and can be closed.
func TestABodyThatCannotBeOpenedAgain(t *testing.T) {
	memory := &objstoretest.Memory{}
	if err := memory.Put(t.Context(), "a", strings.NewReader("0123456789"), 10); err != nil {
		t.Fatal(err)
	}
	gets := 0
	body, err := wrap.Retry(objstoretest.Faulty(memory, func(objstoretest.Call) objstoretest.Fault {
		if gets++; gets == 1 {
			return objstoretest.Fault{Tear: true}
		}
		return objstoretest.Fault{Before: objstore.ErrForbidden}
	}), quick).Get(t.Context(), "a", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := io.ReadAll(body); err == nil {
			t.Error("half a body was taken for all")
		}
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}
