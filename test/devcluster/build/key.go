package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// environment is what every compilation runs with. It is the same everywhere
// so that Go's own build cache is shared too.
var environment = []string{"CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath", "GOWORK=off"}

// Key is the identity of a program's binary: 12 hex digits over the toolchain,
// the flags, its module's go.mod and go.sum, and its own source files. Test
// files do not count.
func (p Program) Key(root string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s/%s\n%q\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, environment)
	fmt.Fprintf(h, "%q %q %q %q\n", p.Name, p.Package, p.Tags, p.LDFlags)
	module := filepath.Join(root, p.Module)
	files := []string{filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")}
	for _, folder := range p.Sources {
		found, err := sources(filepath.Join(module, folder))
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	if err := hashFiles(h, module, files); err != nil {
		return "", fmt.Errorf("key of %s: %w", p.Name, err)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// sources lists the non-test Go files directly in folder, in a stable order.
func sources(folder string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var kept []string
	for _, f := range all {
		if !strings.HasSuffix(f, "_test.go") {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

func hashFiles(w io.Writer, base string, files []string) error {
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(base, f)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s %d\n", name, len(data))
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}
