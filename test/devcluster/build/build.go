package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Builder compiles programs into a cache directory.
type Builder struct {
	Root  string    // source root: the folder of this Go module
	Cache string    // where finished binaries are kept
	Show  *Progress // where progress goes
}

// CacheDir is ${HOLDFAST_CACHE:-~/.cache/holdfast}/devcluster.
func CacheDir() (string, error) {
	if dir := os.Getenv("HOLDFAST_CACHE"); dir != "" {
		return filepath.Join(dir, "devcluster"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w (set HOLDFAST_CACHE)", err)
	}
	return filepath.Join(home, ".cache", "holdfast", "devcluster"), nil
}

// All makes sure that every program is in the cache and returns the path of
// each by name. Nothing is compiled when nothing changed.
func (b Builder) All(ctx context.Context, programs []Program) (map[string]string, error) {
	paths, missing, err := b.plan(programs)
	if err != nil || len(missing) == 0 {
		return paths, err
	}
	unlock, err := b.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	// Somebody else may have compiled while we waited for the lock.
	if _, missing, err = b.plan(programs); err != nil {
		return nil, err
	}
	for i, p := range missing {
		stop := b.Show.Step(fmt.Sprintf("compiling %d/%d %s", i+1, len(missing), p.Name))
		err := b.compile(ctx, p, paths[p.Name])
		stop(err)
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}

func (b Builder) plan(programs []Program) (paths map[string]string, missing []Program, err error) {
	paths = map[string]string{}
	for _, p := range programs {
		key, err := p.Key(b.Root)
		if err != nil {
			return nil, nil, err
		}
		path := filepath.Join(b.Cache, key, p.Name)
		paths[p.Name] = path
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, p)
		} else if err != nil {
			return nil, nil, err
		}
	}
	return paths, missing, nil
}

func (b Builder) compile(ctx context.Context, p Program, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	temporary := target + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-p", "2", "-tags", p.Tags,
		"-ldflags", "-s -w "+p.LDFlags, "-o", temporary, p.Package)
	cmd.Dir = filepath.Join(b.Root, p.Module)
	cmd.Env = append(os.Environ(), environment...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("compile %s: %w\n%s", p.Name, err, out.Bytes())
	}
	return os.Rename(temporary, target)
}

// lock keeps two builds of one cache from doing the same work twice.
func (b Builder) lock() (func(), error) {
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(b.Cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", b.Cache, err)
	}
	return func() { f.Close() }, nil
}
