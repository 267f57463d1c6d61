package keys_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func (p *place) shred(c *crash) error {
	bucket := objstoretest.Faulty(p.bucket, func(objstoretest.Call) objstoretest.Fault {
		before, after := c.at()
		return objstoretest.Fault{Before: before, After: after}
	})
	return keys.Shred(p.t.Context(), crashing{p.catalog, c}, "r1", p.in(bucket, "r1"), p.in(bucket, "absent"))
}

// gone checks that nothing of the key is left, and that the other is untouched.
func (p *place) gone(when string) {
	p.t.Helper()
	ring := keys.NewRing(p.catalog, p.old)
	if _, err := ring.Key(p.t.Context(), "r1"); !errors.Is(err, catalog.ErrNotFound) {
		p.t.Errorf("%s: in the catalog: %v", when, err)
	}
	if _, _, err := keys.Recover(p.t.Context(), p.in(p.bucket, "r1"), p.old); !errors.Is(err, objstore.ErrNotFound) {
		p.t.Errorf("%s: in the bucket: %v", when, err)
	}
	if _, err := ring.Key(p.t.Context(), "vault-r2"); err != nil {
		p.t.Errorf("%s: the other: %v", when, err)
	}
	if len(p.bucket.Names("vault-r2/keys/")) != 1 {
		p.t.Errorf("%s: the other is gone from the bucket", when)
	}
}

func TestShredCrashesAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			p := newPlace(t)
			p.bucket.Overwrite("r1/keys/service", []byte("old or rubbish"))
			p.bucket.Overwrite("r1/packs/x", []byte("data"))
			c := &crash{left: n, after: after}
			err := p.shred(c)
			when := fmt.Sprintf("crash at call %d, after it %v", n, after)
			if !c.dead {
				if err != nil || n < 5 {
					t.Fatalf("ended after %d calls: %v", n, err)
				}
				p.gone("whole")
				return
			}
			if err == nil {
				t.Errorf("%s: ended well", when)
			}
			if err := p.shred(nil); err != nil {
				t.Errorf("%s: then: %v", when, err)
			}
			p.gone(when)
			if p.bucket.Bytes("r1/packs/x") == nil {
				t.Errorf("%s: data was deleted", when)
			}
		}
	}
}

// stubborn is a store that says it deletes, and does not.
type stubborn struct{ objstore.Store }

// Delete does nothing.
func (stubborn) Delete(context.Context, string) error { return nil }

func TestShredLooksAgain(t *testing.T) {
	p := newPlace(t)
	if err := keys.Shred(t.Context(), p.catalog, "r1", stubborn{p.in(p.bucket, "r1")}); err == nil || !strings.Contains(err.Error(), "still there") {
		t.Errorf("%v", err)
	}
	locked := objstoretest.Faulty(p.in(p.bucket, "r1"), func(c objstoretest.Call) objstoretest.Fault {
		return objstoretest.Fault{Before: map[string]error{"delete": objstore.ErrForbidden}[c.Op]}
	})
	if err := keys.Shred(t.Context(), p.catalog, "r1", locked); !errors.Is(err, objstore.ErrForbidden) {
		t.Errorf("%v", err)
	}
}

// late is a store in which a key is shredded just before it is published.
type late struct {
	objstore.Store
	shred func()
}

// Put shreds first.
func (l late) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	l.shred()
	return l.Store.Put(ctx, name, r, size)
}

func TestPublishTakesBackWhatWasShredded(t *testing.T) {
	p := newPlace(t)
	elsewhere := p.in(p.bucket, "elsewhere")
	err := keys.NewRing(p.catalog, p.old).Publish(t.Context(), "r1", late{elsewhere, func() {
		if err := keys.Shred(t.Context(), p.catalog, "r1", p.in(p.bucket, "r1"), elsewhere); err != nil {
			t.Error(err)
		}
	}})
	if !errors.Is(err, catalog.ErrNotFound) || len(p.bucket.Names("elsewhere/")) != 0 {
		t.Errorf("%q, %v", p.bucket.Names("elsewhere/"), err)
	}
}
