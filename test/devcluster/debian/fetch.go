package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Fetch downloads packages and everything they depend on, as if for a system
// where nothing is installed, and returns the .deb files. Downloads are kept in
// dir under names that hold the version.
func Fetch(ctx context.Context, dir string, packages, without []string) ([]string, error) {
	if err := os.MkdirAll(filepath.Join(dir, "partial"), 0o755); err != nil {
		return nil, err
	}
	status := filepath.Join(dir, "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return nil, err
	}
	names, err := resolve(ctx, status, packages)
	if err != nil {
		// A fresh machine has no package index yet, an old one a stale one.
		if updateErr := apt(ctx, "update"); updateErr != nil {
			return nil, updateErr
		}
		if names, err = resolve(ctx, status, packages); err != nil {
			return nil, err
		}
	}
	files := wanted(dir, names, without)
	if all(files, exists) {
		return files, nil
	}
	if err := apt(ctx, append(asIfEmpty(status, dir), append([]string{"install", "-y", "--download-only"}, packages...)...)...); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(files, func(f string) bool { return !exists(f) }); i >= 0 {
		return nil, fmt.Errorf("apt-get did not download %s", files[i])
	}
	return files, nil
}

// resolve returns the file name of every package needed.
func resolve(ctx context.Context, status string, packages []string) ([]string, error) {
	empty, err := os.MkdirTemp("", "no-archives-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(empty)
	if err := os.Mkdir(filepath.Join(empty, "partial"), 0o755); err != nil {
		return nil, err
	}
	args := append(asIfEmpty(status, empty), append([]string{"install", "-y", "--print-uris"}, packages...)...)
	out, err := aptOutput(ctx, args...)
	if err != nil {
		return nil, err
	}
	return parseURIs(out), nil
}

// parseURIs reads lines of the form 'URI' FILE SIZE HASH.
func parseURIs(out string) []string {
	var names []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) >= 3 && strings.HasPrefix(fields[0], "'") {
			names = append(names, fields[1])
		}
	}
	slices.Sort(names)
	return names
}

// wanted drops the packages named in without; file names begin with the
// package's name and an underscore.
func wanted(dir string, names, without []string) []string {
	var files []string
	for _, n := range names {
		name, _, _ := strings.Cut(n, "_")
		if !slices.Contains(without, name) {
			files = append(files, filepath.Join(dir, n))
		}
	}
	return files
}

func asIfEmpty(status, archives string) []string {
	return []string{"-o", "Dir::State::status=" + status, "-o", "Dir::Cache::archives=" + archives,
		"-o", "APT::Install-Recommends=false", "-o", "APT::Sandbox::User=root"}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func all(files []string, check func(string) bool) bool {
	return !slices.ContainsFunc(files, func(f string) bool { return !check(f) })
}
