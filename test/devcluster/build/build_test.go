package build

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestCompilesOnceAndAgainAfterAChange(t *testing.T) {
	root, p := tinyModule(t)
	var out bytes.Buffer
	b := Builder{Root: root, Cache: t.TempDir(), Show: &Progress{out: &out}}
	build := func() string {
		t.Helper()
		paths, err := b.All(context.Background(), []Program{p})
		if err != nil {
			t.Fatal(err)
		}
		return paths["tiny"]
	}
	first := build()
	if said, err := exec.Command(first).CombinedOutput(); err != nil || string(said) != "tiny\n" {
		t.Fatalf("%q, %v", said, err)
	}
	if !strings.Contains(out.String(), "compiling 1/1 tiny: done in ") {
		t.Fatalf("progress: %q", out.String())
	}
	out.Reset()
	if second := build(); second != first || out.Len() != 0 {
		t.Fatalf("the second time: %s, %q", second, out.String())
	}
	put(t, root, "tiny/main.go", "package main\n\nfunc main() { println(\"changed\") }\n")
	if third := build(); third == first || out.Len() == 0 {
		t.Fatalf("after a change: %s, %q", third, out.String())
	}
	if _, err := os.Stat(first); err != nil {
		t.Fatalf("the first binary may still be in use: %v", err)
	}
}

func TestCompilerErrorsAreShown(t *testing.T) {
	root, p := tinyModule(t)
	put(t, root, "tiny/main.go", "package main\n\nfunc main() { nonsense() }\n")
	var out bytes.Buffer
	_, err := Builder{Root: root, Cache: t.TempDir(), Show: &Progress{out: &out}}.All(context.Background(), []Program{p})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(out.String(), "failed") {
		t.Fatalf("progress: %q", out.String())
	}
}
