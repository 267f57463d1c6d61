package objstoretest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
)

// Run checks every promise of the contract. newStore returns an empty bucket
// each time.
func Run(t *testing.T, newStore func(t *testing.T) objstore.Store) {
	groups := []struct {
		name string
		test func(*testing.T, objstore.Store)
	}{
		{"put and read back", testReadBack},
		{"put never overwrites", testNeverOverwrites},
		{"one of racing puts wins", testRace},
		{"a put that breaks leaves nothing", testBrokenPut},
		{"a put that is cancelled leaves no part", testCancelledPut},
		{"a put takes any reader", testReaders},
		{"ranges", testRanges},
		{"what is absent", testAbsent},
		{"list is complete and ordered", testList},
		{"list takes prefixes literally", testListPrefix},
		{"list stops when asked", testListStops},
		{"names that are refused", testNames},
		{"names that are odd and legal", testOddNames},
		{"a body may be left half-read", testHalfRead},
		{"a cancelled context", testCancelled},
		{"a part of a bucket", testSub},
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) { group.test(t, newStore(t)) })
	}
}

func put(ctx context.Context, s objstore.Store, name, content string) error {
	return s.Put(ctx, name, strings.NewReader(content), int64(len(content)))
}

func mustPut(t *testing.T, s objstore.Store, name, content string) {
	t.Helper()
	if err := put(t.Context(), s, name, content); err != nil {
		t.Fatal(err)
	}
}

func get(ctx context.Context, s objstore.Store, name string, offset, length int64) (string, error) {
	body, err := s.Get(ctx, name, offset, length)
	if err != nil {
		return "", err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return string(data), err
}

// Names lists all names, failing the test on an error.
func Names(t testing.TB, s objstore.Store, prefix string) []string {
	t.Helper()
	var names []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

func testReadBack(t *testing.T, s objstore.Store) {
	large := make([]byte, 5<<20)
	_, _ = rand.Read(large)
	for name, content := range map[string]string{"a": "x", "b/empty": "", "b/c/large": string(large)} {
		mustPut(t, s, name, content)
		if got, err := get(t.Context(), s, name, 0, -1); err != nil || got != content {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if info, err := s.Stat(t.Context(), name); err != nil || info != (objstore.Info{Name: name, Size: int64(len(content))}) {
			t.Errorf("%s: stat is %+v, %v", name, info, err)
		}
	}
}

func testRanges(t *testing.T, s objstore.Store) {
	mustPut(t, s, "digits", "0123456789")
	mustPut(t, s, "empty", "")
	for _, c := range []struct {
		name           string
		offset, length int64
		want           string
		ok             bool
	}{
		{"digits", 0, 10, "0123456789", true}, {"digits", 3, 4, "3456", true}, {"digits", 9, 1, "9", true},
		{"digits", 4, -1, "456789", true}, {"digits", 10, -1, "", true}, {"digits", 5, 0, "", true},
		{"digits", 10, 0, "", true}, {"empty", 0, -1, "", true}, {"empty", 0, 0, "", true},
		{"digits", 5, 6, "", false}, {"digits", 10, 1, "", false}, {"digits", 11, -1, "", false},
		{"digits", 11, 0, "", false}, {"digits", -1, 2, "", false}, {"digits", 0, -2, "", false}, {"empty", 0, 1, "", false},
	} {
		got, err := get(t.Context(), s, c.name, c.offset, c.length)
		if c.ok && (err != nil || got != c.want) || !c.ok && !errors.Is(err, objstore.ErrRange) {
			t.Errorf("%s from %d, %d bytes: %q, %v", c.name, c.offset, c.length, got, err)
		}
	}
}

func testAbsent(t *testing.T, s objstore.Store) {
	mustPut(t, s, "folder/object", "x")
	for _, name := range []string{"absent", "folder", "folder/absent", "folder/object/below"} {
		if _, err := get(t.Context(), s, name, 0, -1); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("get %s: %v", name, err)
		}
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("stat %s: %v", name, err)
		}
	}
	for range 2 {
		if err := s.Delete(t.Context(), "absent/object"); err != nil {
			t.Errorf("delete of what is absent: %v", err)
		}
		if err := s.Delete(t.Context(), "folder/object"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if _, err := s.Stat(t.Context(), "folder/object"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("stat after delete: %v", err)
	}
	mustPut(t, s, "folder/object", "again")
}

func testList(t *testing.T, s objstore.Store) {
	want := []string{"a", "a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a0", "ab", "b/x"}
	for i := range 40 {
		want = append(want, fmt.Sprintf("many/%02d", i))
	}
	want = slices.DeleteFunc(want, func(n string) bool { return n == "a" }) // a folder store cannot hold "a" and "a/b"
	for _, name := range slices.Backward(want) {
		mustPut(t, s, name, name)
	}
	slices.Sort(want)
	if got := Names(t, s, ""); !slices.Equal(got, want) {
		t.Errorf("listed %q\nwant   %q", got, want)
	}
	for info, err := range s.List(t.Context(), "many/1") {
		if err != nil || info.Size != int64(len(info.Name)) {
			t.Errorf("%+v, %v", info, err)
		}
	}
}

func testListPrefix(t *testing.T, s objstore.Store) {
	for _, name := range []string{"packs/ab/1", "packs/ac/1", "packs-old/1", "pack", "zeta"} {
		mustPut(t, s, name, "")
	}
	for prefix, want := range map[string][]string{
		"packs/":     {"packs/ab/1", "packs/ac/1"},
		"packs":      {"packs-old/1", "packs/ab/1", "packs/ac/1"},
		"packs/a":    {"packs/ab/1", "packs/ac/1"},
		"packs/ab/":  {"packs/ab/1"},
		"packs/ab/1": {"packs/ab/1"},
		"none":       nil,
		"zeta/":      nil,
	} {
		if got := Names(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("prefix %q gives %q, want %q", prefix, got, want)
		}
	}
}

func testListStops(t *testing.T, s objstore.Store) {
	for i := range 5 {
		mustPut(t, s, fmt.Sprint(i), "")
	}
	seen := 0
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("saw %d", seen)
	}
}

func testNames(t *testing.T, s objstore.Store) {
	for _, name := range []string{"", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a/.b", ".a", "a b", "a\x00b", "a\\b", "é", strings.Repeat("a", 1001)} {
		if err := s.Put(t.Context(), name, bytes.NewReader(nil), 0); !errors.Is(err, objstore.ErrName) {
			t.Errorf("put %q: %v", name, err)
		}
		if _, err := s.Get(t.Context(), name, 0, -1); !errors.Is(err, objstore.ErrName) {
			t.Errorf("get %q: %v", name, err)
		}
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, objstore.ErrName) {
			t.Errorf("stat %q: %v", name, err)
		}
		if err := s.Delete(t.Context(), name); !errors.Is(err, objstore.ErrName) {
			t.Errorf("delete %q: %v", name, err)
		}
	}
}

// testOddNames uses every character that a name may have, where it may hurt.
func testOddNames(t *testing.T, s objstore.Store) {
	want := []string{"-", "_", "-a/-b", "__/_", "Case", "case", "a..b", "a.b.c/d", "con", "0/00/000", "index.html", "x-y_z.0",
		strings.Repeat("n", 200) + "/" + strings.Repeat("m", 200), "a-/b", "a_/b", "AUX/NUL"}
	for _, name := range want {
		mustPut(t, s, name, name)
	}
	slices.Sort(want)
	if got := Names(t, s, ""); !slices.Equal(got, want) {
		t.Errorf("listed %q\nwant   %q", got, want)
	}
	for _, name := range want {
		if got, err := get(t.Context(), s, name, 0, -1); err != nil || got != name {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
		if err := s.Delete(t.Context(), name); err != nil {
			t.Errorf("delete %s: %v", name, err)
		}
	}
}

func testHalfRead(t *testing.T, s objstore.Store) {
	content := strings.Repeat("0123456789", 1<<17)
	mustPut(t, s, "a", content)
	for range 5 {
		body, err := s.Get(t.Context(), "a", 5, -1)
		if err != nil {
			t.Fatal(err)
		}
		var p [10]byte
		if _, err := io.ReadFull(body, p[:]); err != nil || string(p[:]) != "5678901234" {
			t.Errorf("read %q, %v", p, err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
	if got, err := get(t.Context(), s, "a", 0, -1); err != nil || got != content {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func testCancelled(t *testing.T, s objstore.Store) {
	mustPut(t, s, "a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := put(ctx, s, "b", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	listed := errors.New("listing ended well")
	for _, err := range s.List(ctx, "") {
		if listed = err; err != nil {
			break
		}
	}
	if !errors.Is(listed, context.Canceled) {
		t.Errorf("list: %v", listed)
	}
	if names := Names(t, s, ""); !slices.Equal(names, []string{"a"}) {
		t.Errorf("there is %q", names)
	}
}

func testSub(t *testing.T, s objstore.Store) {
	one, two := objstore.Sub(s, "one/"), objstore.Sub(s, "two/")
	mustPut(t, one, "a", "1")
	mustPut(t, two, "a", "2")
	mustPut(t, s, "one-a", "3")
	if got := Names(t, one, ""); !slices.Equal(got, []string{"a"}) {
		t.Errorf("one holds %q", got)
	}
	if info, err := two.Stat(t.Context(), "a"); err != nil || info.Name != "a" {
		t.Errorf("stat: %+v, %v", info, err)
	}
	if err := one.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if got := Names(t, s, ""); !slices.Equal(got, []string{"one-a", "two/a"}) {
		t.Errorf("the bucket holds %q", got)
	}
	if err := put(t.Context(), one, "../two/b", ""); !errors.Is(err, objstore.ErrName) {
		t.Errorf("a part was left: %v", err)
	}
}
