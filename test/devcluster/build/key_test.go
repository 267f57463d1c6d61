package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tinyModule is a source root with one program of one file.
func tinyModule(t *testing.T) (root string, p Program) {
	t.Helper()
	root = t.TempDir()
	put(t, root, "go.mod", "module example.test/tiny\n\ngo 1.26\n")
	put(t, root, "go.sum", "")
	put(t, root, "tiny/main.go", "package main\n\nfunc main() { println(\"tiny\") }\n")
	return root, Program{Name: "tiny", Module: ".", Package: "./tiny", Sources: []string{"tiny"}}
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func key(t *testing.T, p Program, root string) string {
	t.Helper()
	k, err := p.Key(root)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyFollowsWhatTheProgramIsMadeFrom(t *testing.T) {
	changes := map[string]struct {
		change  func(t *testing.T, root string, p *Program)
		differs bool
	}{
		"nothing":            {func(*testing.T, string, *Program) {}, false},
		"a test file":        {func(t *testing.T, root string, _ *Program) { put(t, root, "tiny/main_test.go", "package main") }, false},
		"another package":    {func(t *testing.T, root string, _ *Program) { put(t, root, "other/o.go", "package other") }, false},
		"its source":         {func(t *testing.T, root string, _ *Program) { put(t, root, "tiny/main.go", "package main") }, true},
		"a new source":       {func(t *testing.T, root string, _ *Program) { put(t, root, "tiny/more.go", "package main") }, true},
		"go.mod":             {func(t *testing.T, root string, _ *Program) { put(t, root, "go.mod", "module example.test/other\n") }, true},
		"go.sum":             {func(t *testing.T, root string, _ *Program) { put(t, root, "go.sum", "x") }, true},
		"the linker's flags": {func(_ *testing.T, _ string, p *Program) { p.LDFlags = "-X main.version=2" }, true},
		"the tags":           {func(_ *testing.T, _ string, p *Program) { p.Tags = "seccomp" }, true},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			root, p := tinyModule(t)
			before := key(t, p, root)
			c.change(t, root, &p)
			if after := key(t, p, root); (after != before) != c.differs {
				t.Fatalf("before %s, after %s", before, after)
			}
		})
	}
}

// TestSourcesAreComplete asks the go command which of our own packages each
// program of this module is made from: a package left out of Sources would
// leave a stale binary in use.
func TestSourcesAreComplete(t *testing.T) {
	root, err := SourceRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Programs() {
		if p.Module != "." {
			continue
		}
		cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", p.Package)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		for line := range strings.Lines(string(out)) {
			folder, ours := strings.CutPrefix(strings.TrimSpace(line), "holdfast.dev/holdfast/test/devcluster/")
			if ours && !slices.Contains(p.Sources, folder) {
				t.Errorf("%s is made from %s, but its key does not say so", p.Name, folder)
			}
		}
	}
}

func TestEveryProgramHasAKeyOfItsOwn(t *testing.T) {
	root, err := SourceRoot()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, p := range Programs() {
		k := key(t, p, root)
		if other, taken := seen[k]; taken {
			t.Errorf("%s and %s have the same key", p.Name, other)
		}
		seen[k] = p.Name
	}
}
