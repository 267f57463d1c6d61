package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

var errCrash = errors.New("crash")

// crash stops a program at its nth call of a store, before it or after it.
type crash struct {
	left  int
	after bool
	dead  bool
}

// at is asked at each call; it returns what fails before and after it.
func (c *crash) at() (before, after error) {
	if c == nil {
		return nil, nil
	}
	if c.dead {
		return errCrash, nil
	}
	if c.left--; c.left > 0 {
		return nil, nil
	}
	c.dead = true
	if c.after {
		return nil, errCrash
	}
	return errCrash, nil
}

// crashing is a catalog that crashes.
type crashing struct {
	catalog.Store
	crash *crash
}

// View reads, unless it crashes.
func (c crashing) View(ctx context.Context, fn func(catalog.Tx) error) error {
	return c.call(func() error { return c.Store.View(ctx, fn) })
}

// Update writes, unless it crashes.
func (c crashing) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	return c.call(func() error { return c.Store.Update(ctx, fn) })
}

func (c crashing) call(do func() error) error {
	before, after := c.crash.at()
	if before != nil {
		return before
	}
	return errors.Join(do(), after)
}

// place is a catalog and a bucket with the keys of two repositories in both.
type place struct {
	t        *testing.T
	catalog  *catalogtest.Memory
	bucket   *objstoretest.Memory
	old, new *keys.FileProvider
	keys     map[string][]byte
}

var repositories = []string{"r1", "vault-r2"}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t, catalog: catalogtest.NewMemory(), bucket: &objstoretest.Memory{}, keys: map[string][]byte{},
		old: openFile(t, filepath.Join(dir, "old")), new: openFile(t, filepath.Join(dir, "new"))}
	ring := keys.NewRing(p.catalog, p.old)
	for _, name := range repositories {
		if _, err := ring.Ensure(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		for range 2 { // publishing is repeated at will
			if err := ring.Publish(t.Context(), name, p.in(p.bucket, name)); err != nil {
				t.Fatal(err)
			}
		}
		p.keys[name], _ = ring.Key(t.Context(), name)
	}
	return p
}

func (p *place) in(bucket objstore.Store, name string) objstore.Store {
	return objstore.Sub(bucket, name+"/")
}

// rotate wraps everything anew, until it is done or crashes.
func (p *place) rotate(c *crash, dry bool) (steps []string, err error) {
	bucket := objstoretest.Faulty(p.bucket, func(objstoretest.Call) objstoretest.Fault {
		before, after := c.at()
		return objstoretest.Fault{Before: before, After: after}
	})
	r := &keys.Rotation{Store: crashing{p.catalog, c}, Keys: keys.Set{Current: p.new, Old: []keys.Provider{p.old}}, Dry: dry,
		Report: func(s keys.Step) { steps = append(steps, fmt.Sprint(s.Place, " ", s.Name, " ", s.Action)) }}
	names, err := r.Names(p.t.Context(), "")
	if err != nil {
		return steps, err
	}
	var failed []error
	for _, name := range names {
		failed = append(failed, r.Catalog(p.t.Context(), name), r.Bucket(p.t.Context(), "bucket", name, p.in(bucket, name)))
	}
	return steps, errors.Join(failed...)
}

// readable checks that catalog and bucket give the keys by the providers.
func (p *place) readable(when string, by keys.Provider) {
	p.t.Helper()
	ring := keys.NewRing(p.catalog, by)
	for _, name := range repositories {
		if key, err := ring.Key(p.t.Context(), name); err != nil || !bytes.Equal(key, p.keys[name]) {
			p.t.Errorf("%s: %s in the catalog: %v", when, name, err)
		}
		key, bound, err := keys.Recover(p.t.Context(), p.in(p.bucket, name), by)
		if err != nil || !bytes.Equal(key, p.keys[name]) || bound != name {
			p.t.Errorf("%s: %s in the bucket: bound to %q, %v", when, name, bound, err)
		}
	}
}

func TestRotate(t *testing.T) {
	p := newPlace(t)
	before := p.bucket.Names("")
	plan, err := p.rotate(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.bucket.Names(""), before) {
		t.Error("a dry run changed the bucket")
	}
	p.readable("after a dry run", p.old)
	done, err := p.rotate(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	want := "catalog r1 rewrap,bucket r1 publish,bucket r1 remove,catalog vault-r2 rewrap,bucket vault-r2 publish,bucket vault-r2 remove"
	if strings.Join(plan, ",") != want || strings.Join(done, ",") != want {
		t.Errorf("planned %q\ndid     %q", plan, done)
	}
	p.readable("afterwards", p.new)
	if again, err := p.rotate(nil, false); err != nil || strings.Join(again, ",") != "catalog r1 keep,bucket r1 keep,catalog vault-r2 keep,bucket vault-r2 keep" {
		t.Errorf("again: %q, %v", again, err)
	}
	if names := p.bucket.Names(""); len(names) != 2 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(before, n) }) {
		t.Errorf("the bucket holds %q", names)
	}
}

// Wherever a rotation is cut off, every key stays readable, in the catalog and in
// the bucket, and the next one finishes it.
func TestRotateCrashesAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			p := newPlace(t)
			c := &crash{left: n, after: after}
			_, err := p.rotate(c, false)
			when := fmt.Sprintf("crash at call %d, after it %v", n, after)
			if !c.dead {
				if err != nil || n < 10 {
					t.Fatalf("ended after %d calls: %v", n, err)
				}
				return
			}
			if err == nil {
				t.Errorf("%s: ended well", when)
			}
			p.readable(when, keys.Set{Current: p.new, Old: []keys.Provider{p.old}})
			if _, err := p.rotate(nil, false); err != nil {
				t.Errorf("%s: then: %v", when, err)
			}
			p.readable(when+", and finished", p.new)
			if names := p.bucket.Names(""); len(names) != 2 {
				t.Errorf("%s: the bucket holds %q", when, names)
			}
		}
	}
}

// What cannot be understood, and what is another key, is told of and left alone.
func TestRotateLeavesWhatItDoesNotUnderstand(t *testing.T) {
	p := newPlace(t)
	stranger := keys.NewRing(catalogtest.NewMemory(), p.old)
	if _, err := stranger.Ensure(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	if err := stranger.Publish(t.Context(), "r1", p.in(p.bucket, "r1")); err != nil {
		t.Fatal(err)
	}
	p.bucket.Overwrite("r1/keys/rubbish", []byte("{"))
	p.bucket.Overwrite("r1/keys/future", []byte(`{"format":"holdfast wrapped key","version":2}`))
	p.bucket.Overwrite("r1/keys/large", make([]byte, 1<<20))
	p.bucket.Overwrite("r1/keys/lost", []byte(`{"format":"holdfast wrapped key","repository":"r1","provider":"file","key":"0011","wrapped":"AQID"}`))
	before := p.bucket.Names("r1/")
	steps, err := p.rotate(nil, false)
	if err == nil || strings.Count(strings.Join(steps, ","), "bucket r1 fail") != 5 || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("%q, %v", steps, err)
	}
	for _, name := range before[len(before)-4:] {
		if p.bucket.Bytes(name) == nil {
			t.Errorf("%s is gone", name)
		}
	}
	if key, err := keys.NewRing(p.catalog, p.new).Key(t.Context(), "vault-r2"); err != nil || !bytes.Equal(key, p.keys["vault-r2"]) {
		t.Errorf("the other repository was not rotated: %v", err)
	}
}

func TestRotateWithoutTheOldKey(t *testing.T) {
	p := newPlace(t)
	p.old = p.new
	if steps, err := p.rotate(nil, false); !errors.Is(err, keys.ErrUnwrap) || strings.Contains(strings.Join(steps, ","), "re") {
		t.Errorf("%q, %v", steps, err)
	}
}

// A repository that is not there gets no key.
func TestRotateMakesNoRepository(t *testing.T) {
	p := newPlace(t)
	p.bucket = &objstoretest.Memory{}
	if _, err := p.rotate(nil, false); err != nil || len(p.bucket.Names("")) != 0 {
		t.Errorf("%q, %v", p.bucket.Names(""), err)
	}
}
