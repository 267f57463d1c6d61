package keys_test

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

// The first documents had neither version nor provider, and a fixed name.
func TestRecoverFromTheFirstDocuments(t *testing.T) {
	p := newPlace(t)
	wrapped, err := p.old.Wrap(t.Context(), "r1", p.keys["r1"])
	if err != nil {
		t.Fatal(err)
	}
	bucket := &objstoretest.Memory{}
	bucket.Overwrite("keys/service", []byte(`{"format":"holdfast wrapped key","repository":"r1","wrapped":"`+base64.StdEncoding.EncodeToString(wrapped)+`"}`))
	if key, name, err := keys.Recover(t.Context(), bucket, p.old); err != nil || name != "r1" || !bytes.Equal(key, p.keys["r1"]) {
		t.Errorf("bound to %q, %v", name, err)
	}
}

// Of several documents any that can be unwrapped will do; the error tells which
// keys would.
func TestRecover(t *testing.T) {
	p := newPlace(t)
	bucket := p.in(p.bucket, "r1")
	p.bucket.Overwrite("r1/keys/0", []byte("rubbish"))
	if _, _, err := keys.Recover(t.Context(), bucket, p.old); err != nil {
		t.Errorf("beside rubbish: %v", err)
	}
	_, _, err := keys.Recover(t.Context(), bucket, p.new)
	if err == nil || !strings.Contains(err.Error(), "file "+p.old.Describe().Key) || !strings.Contains(err.Error(), "keys/0 is no wrapped key") {
		t.Errorf("with another key: %v", err)
	}
}

func FuzzRecover(f *testing.F) {
	provider, err := keys.OpenFile(filepath.Join(f.TempDir(), "kek"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"format":"holdfast wrapped key","version":1,"repository":"r","provider":"file","key":"00","wrapped":"AQID"}`))
	f.Add([]byte(`{"format":"holdfast wrapped key","version":-1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		bucket := &objstoretest.Memory{}
		bucket.Overwrite("keys/x", content)
		if key, _, err := keys.Recover(t.Context(), bucket, provider); err == nil {
			t.Errorf("recovered %x from %q", key, content)
		}
	})
}
