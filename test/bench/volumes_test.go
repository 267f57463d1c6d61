package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"holdfast.dev/holdfast/internal/volume/extent"
)

func TestFilesAreTheSameEveryTimeAndCompressAsTheyShould(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	words := vocabulary(1)
	for i, kind := range append(slices.Clone(compressible), noise) {
		const size = 300_001
		one := newGenerator(words, 7).fill(kind, nil, size)
		if again := newGenerator(vocabulary(1), 7).fill(kind, nil, size); len(one) != size || !bytes.Equal(one, again) {
			t.Errorf("kind %d: %d bytes, not the same again", i, len(one))
		}
		if other := newGenerator(words, 8).fill(kind, nil, size); bytes.Equal(one, other) {
			t.Errorf("kind %d: two files are equal", i)
		}
		share := float64(len(enc.EncodeAll(one, nil))) / size
		if small := i < len(compressible); small != (share < 0.7) || share < 0.1 {
			t.Errorf("kind %d becomes %.2f of its size", i, share)
		}
	}
}

// A volume goes through the same tasks as in a run: in full, as increments of
// both kinds, and back.
func TestTasks(t *testing.T) {
	dir := t.TempDir()
	content := newGenerator(vocabulary(1), 1).fill(prose, nil, 5<<20)
	rng := rand.New(rand.NewPCG(1, 1))
	file := filepath.Join(dir, "volume")
	do := func(next task) {
		t.Helper()
		next.Repository, next.BlockSize = filepath.Join(dir, "repository"), 64<<10
		if err := verbs[next.Verb](t.Context(), next); err != nil {
			t.Fatal(err)
		}
	}
	var changed extent.Set
	for n := range 3 {
		if n > 0 {
			before := write(t, file, content)
			content[rng.IntN(len(content))]++
			changed = differing(before, write(t, file, content))
			if len(changed) != 1 || changed.Bytes() != grain {
				t.Fatalf("one changed byte is %v", changed)
			}
		}
		write(t, file, content)
		next := task{Verb: "backup", Volume: file, Point: point(n + 1), Changed: changed, Driver: n == 2}
		if n > 0 {
			next.Base = point(n)
		}
		do(next)
		do(task{Verb: "verify", Volume: file, Point: point(n + 1)})
		target := filepath.Join(dir, "target")
		write(t, target, nil)
		do(task{Verb: "restore", Volume: target, Point: point(n + 1)})
		if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("recovery point %d is not what was backed up: %v", n+1, err)
		}
	}
	content[0]++
	write(t, file, content)
	if err := verifyVolume(t.Context(), task{Repository: filepath.Join(dir, "repository"), Volume: file, Point: point(3)}); err == nil {
		t.Error("a difference is not found")
	}
}

func write(t *testing.T, name string, content []byte) []uint64 {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sums, err := fingerprints(name)
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

func TestGarbageIsMadeAndCollected(t *testing.T) {
	todo := task{Repository: filepath.Join(t.TempDir(), "repository"), BlockSize: 4096, Blocks: 3000, Point: point(2)}
	if err := manyBlocks(t.Context(), todo); err != nil {
		t.Fatal(err)
	}
	before, err := storedIn(todo.Repository)
	if err != nil {
		t.Fatal(err)
	}
	if err := collectGarbage(t.Context(), todo); err != nil {
		t.Fatal(err)
	}
	r, err := todo.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Verify(t.Context(), point(2)); err != nil {
		t.Error(err)
	}
	if after, err := storedIn(todo.Repository); err != nil || after >= before {
		t.Errorf("%d bytes became %d: %v", before, after, err)
	}
}

func TestTwin(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if err := os.MkdirAll(filepath.Join(one, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(one, "sub", "file"), []byte("content"))
	if err := twin(one, two); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(two, "sub", "file")); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if n, err := storedIn(two); err != nil || n != 7 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestMiddle(t *testing.T) {
	got := middle([]outcome{{seconds: 3, rss: 1}, {seconds: 1, rss: 9}, {seconds: 2, rss: 2, cpu: 5}})
	if want := (outcome{seconds: 2, rss: 9, cpu: 5}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
