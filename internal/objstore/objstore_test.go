package objstore_test

import (
	"errors"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore"
)

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "packs/ab/0123": true, "A-b_c.d": true, strings.Repeat("a", 1000): true,
		"": false, "/": false, "a/": false, "/a": false, "a//b": false, "..": false, "a/..": false, ".hidden": false,
		"a/.": false, "a\n": false, "a:b": false, "a%2e": false, "ä": false, strings.Repeat("a", 1001): false,
	} {
		if err := objstore.CheckName(name); (err == nil) != ok || !ok && !errors.Is(err, objstore.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzCheckName(f *testing.F) {
	for _, seed := range []string{"a/b", "../x", "a/../b", "a\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if objstore.CheckName(name) == nil && (strings.Contains("/"+name+"/", "/../") || strings.Contains(name, "//") || strings.HasPrefix(name, "/")) {
			t.Errorf("%q leaves its folder", name)
		}
	})
}

func TestRange(t *testing.T) {
	for _, c := range []struct{ size, offset, length, want int64 }{
		{10, 0, -1, 10}, {10, 4, -1, 6}, {10, 10, -1, 0}, {10, 2, 3, 3}, {10, 10, 0, 0}, {0, 0, 0, 0},
		{10, 0, 11, -1}, {10, 11, -1, -1}, {10, -1, 1, -1}, {10, 0, -2, -1}, {10, 1, 1<<63 - 1, -1}, {10, 1<<63 - 1, 1, -1},
	} {
		got, err := objstore.Range(c.size, c.offset, c.length)
		if c.want < 0 && !errors.Is(err, objstore.ErrRange) || c.want >= 0 && (err != nil || got != c.want) {
			t.Errorf("%+v: %d, %v", c, got, err)
		}
	}
}
