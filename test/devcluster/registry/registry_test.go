package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
)

func TestClaimIsStableAndReusesFreeIndexes(t *testing.T) {
	r := Registry{Root: t.TempDir()}
	claim := func(name string, want int) {
		t.Helper()
		if got, err := r.Claim(name); err != nil || got != want {
			t.Fatalf("Claim(%q) = %d, %v; want %d", name, got, err, want)
		}
	}
	claim("a", 0)
	claim("b", 1)
	claim("a", 0)
	if err := r.Release("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Lookup("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Lookup after release: %v", err)
	}
	claim("c", 0)
	if err := r.Release("never"); err != nil {
		t.Fatal(err)
	}
}

func TestClaimsAtOnceGetDifferentIndexes(t *testing.T) {
	r := Registry{Root: t.TempDir()}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := r.Claim(fmt.Sprintf("c%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	names, err := r.All()
	if err != nil {
		t.Fatal(err)
	}
	taken := map[int]string{}
	for name, index := range names {
		if other, ok := taken[index]; ok {
			t.Errorf("%s and %s both have %d", name, other, index)
		}
		taken[index] = name
	}
	if len(names) != 20 {
		t.Errorf("%d clusters, want 20", len(names))
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"dev": true, "a-1": true, "abcdefghijkl": true,
		"": false, "abcdefghijklm": false, "Dev": false, "1a": false, "a/b": false, "../x": false, "a_b": false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
}
