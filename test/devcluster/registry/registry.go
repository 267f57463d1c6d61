// Package registry remembers which cluster names exist on this machine and
// which index each one has. Addresses and link names follow from the index, so
// two clusters never share any.
package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"holdfast.dev/holdfast/test/devcluster/network"
)

// Names are short because they end up in unix socket paths (108 bytes at most).
var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,11}$`)

// Registry is a directory holding `registry.json`, its lock, and one folder
// per cluster. It may be used by many processes at once.
type Registry struct {
	Root string
}

// Default is the machine's registry. There is only one: links and addresses are
// the machine's, so clusters that do not know of each other would collide.
func Default() Registry { return Registry{Root: "/var/lib/holdfast-dev"} }

// Dir is the folder of the named cluster.
func (r Registry) Dir(name string) string { return filepath.Join(r.Root, name) }

// CheckName refuses names that would not fit paths, cgroups and host names.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("cluster name %q: want 1 to 12 of a-z, 0-9 and -, starting with a letter", name)
	}
	return nil
}

// Claim returns the index of name, giving it the smallest free one when new.
func (r Registry) Claim(name string) (int, error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	index := -1
	err := r.update(func(all map[string]int) error {
		if i, ok := all[name]; ok {
			index = i
			return nil
		}
		i, err := smallestFree(all)
		if err != nil {
			return err
		}
		index, all[name] = i, i
		return nil
	})
	return index, err
}

// Lookup returns the index of name; fs.ErrNotExist when there is no such cluster.
func (r Registry) Lookup(name string) (int, error) {
	all, err := r.All()
	if err != nil {
		return 0, err
	}
	i, ok := all[name]
	if !ok {
		return 0, fmt.Errorf("cluster %q: %w", name, fs.ErrNotExist)
	}
	return i, nil
}

// Release forgets name; its index is free again. Unknown names are no error.
func (r Registry) Release(name string) error {
	return r.update(func(all map[string]int) error {
		delete(all, name)
		return nil
	})
}

// All returns every cluster's index by name.
func (r Registry) All() (map[string]int, error) {
	all := map[string]int{}
	data, err := os.ReadFile(r.file())
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", r.file(), err)
	}
	return all, nil
}

// Lock serialises up and down of one cluster; call the returned func to let go.
func (r Registry) Lock(name string) (unlock func(), err error) {
	return lockFile(filepath.Join(r.Root, name+".lock"))
}

func (r Registry) file() string { return filepath.Join(r.Root, "registry.json") }

func (r Registry) update(change func(map[string]int) error) error {
	unlock, err := lockFile(filepath.Join(r.Root, "registry.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	all, err := r.All()
	if err != nil {
		return err
	}
	if err := change(all); err != nil {
		return err
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	temporary := r.file() + ".new"
	if err := os.WriteFile(temporary, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, r.file())
}

func smallestFree(all map[string]int) (int, error) {
	used := map[int]bool{}
	for _, i := range all {
		used[i] = true
	}
	for i := range network.MaxClusters {
		if !used[i] {
			return i, nil
		}
	}
	return 0, fmt.Errorf("all %d cluster places of this machine are taken", network.MaxClusters)
}

func lockFile(path string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
