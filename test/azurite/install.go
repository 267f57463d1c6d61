package azurite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// version is the last that runs on Node 20, Debian's newest.
const version = "3.35.0"

// installTimeout bounds the installation; it downloads about 100 MB.
const installTimeout = 10 * time.Minute

// install returns the path of the server's program, installing it when it is
// not in the cache. Installations that start together share one.
func install(ctx context.Context) (string, error) {
	parent, err := cacheFolder()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(parent, "azurite-"+version)
	main := filepath.Join(dir, "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if _, err := os.Stat(main); err == nil {
		return main, nil
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(main); err == nil {
		return main, nil // another one was faster
	}
	return main, fill(ctx, dir)
}

func cacheFolder() (string, error) {
	root := os.Getenv("HOLDFAST_CACHE")
	if root == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the cache folder: %w", err)
		}
		root = filepath.Join(home, ".cache", "holdfast")
	}
	dir := filepath.Join(root, "npm")
	return dir, os.MkdirAll(dir, 0o755)
}

// fill installs beside dir and then renames, so that dir is whole or not there.
func fill(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	draft := dir + ".draft"
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := os.MkdirAll(draft, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", draft, "--no-audit", "--no-fund",
		"--ignore-scripts", "--omit=dev", "--loglevel=error", "azurite@"+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install azurite@%s: %w\n%s", version, err, out)
	}
	return os.Rename(draft, dir)
}

// lock holds a file lock, which ends with its process.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the installation: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock the installation: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
