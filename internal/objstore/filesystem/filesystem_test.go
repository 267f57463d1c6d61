package filesystem_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
)

func openStore(t *testing.T, dir string) *filesystem.Store {
	t.Helper()
	s, err := filesystem.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store { return openStore(t, t.TempDir()) })
}

func TestMissingFolderIsNoBucket(t *testing.T) {
	if _, err := filesystem.Open(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, objstore.ErrNoBucket) {
		t.Fatal(err)
	}
}

func TestRemovedFolderIsNeverTakenForAnEmptyOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for info, err := range s.List(t.Context(), "") {
		if !errors.Is(err, objstore.ErrNoBucket) {
			t.Errorf("list: %+v, %v", info, err)
		}
	}
	if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, objstore.ErrNoBucket) {
		t.Errorf("stat: %v", err)
	}
	if err := s.Delete(t.Context(), "a"); !errors.Is(err, objstore.ErrNoBucket) {
		t.Errorf("delete: %v", err)
	}
	if err := s.Put(t.Context(), "a/b", strings.NewReader(""), 0); !errors.Is(err, objstore.ErrNoBucket) {
		t.Errorf("put: %v", err)
	}
}

func TestLinksOutOfTheFolderAreRefused(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"away": outside, "file": filepath.Join(outside, "secret")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, dir)
	for _, name := range []string{"away/secret", "file"} {
		if body, err := s.Get(t.Context(), name, 0, -1); err == nil {
			body.Close()
			t.Errorf("%s was read", name)
		}
	}
	if err := s.Put(t.Context(), "away/new", strings.NewReader("x"), 1); err == nil {
		t.Error("an object was written outside")
	}
	if names := objstoretest.Names(t, s, ""); len(names) != 0 {
		t.Errorf("listed %q", names)
	}
}

func TestDraftsOfTheDeadAreSweptAndThoseOfTheLivingAreNot(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	dead := filepath.Join(dir, ".drafts", "DEAD")
	if err := os.MkdirAll(filepath.Dir(dead), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dead, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	content := &opening{t: t, dir: dir, r: strings.NewReader("whole")}
	if err := s.Put(t.Context(), "a", content, 5); err != nil {
		t.Fatalf("the living draft was lost: %v", err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead draft is still there: %v", err)
	}
	if names := objstoretest.Names(t, s, ""); !slices.Equal(names, []string{"a"}) {
		t.Errorf("listed %q", names)
	}
	if left, _ := os.ReadDir(filepath.Dir(dead)); len(left) != 0 {
		t.Errorf("drafts left: %v", left)
	}
}

// opening opens the folder once more while an object is being written to it.
type opening struct {
	t   *testing.T
	dir string
	r   *strings.Reader
}

func (o *opening) Read(p []byte) (int, error) {
	openStore(o.t, o.dir)
	return o.r.Read(p)
}

func TestNothingIsWrittenBelowAnObject(t *testing.T) {
	s := openStore(t, t.TempDir())
	if err := s.Put(t.Context(), "a", strings.NewReader(""), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "a/below", strings.NewReader(""), 0); err == nil {
		t.Error("written below an object")
	}
}
