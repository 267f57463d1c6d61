package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const cgroups = "/sys/fs/cgroup"

// makeCgroups creates the cluster's group in every hierarchy of the machine:
// one per controller with cgroup v1, a single one with v2.
func (c *Cluster) makeCgroups() error {
	for _, hierarchy := range hierarchies() {
		if err := os.MkdirAll(filepath.Join(hierarchy, c.CgroupRoot()), 0o755); err != nil {
			return fmt.Errorf("make control group: %w", err)
		}
	}
	// A new v1 cpuset may use nothing until it is told what.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		parent := filepath.Join(cgroups, "cpuset", file)
		value, err := os.ReadFile(parent)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(cgroups, "cpuset", c.CgroupRoot(), file), value, 0o644); err != nil {
			return fmt.Errorf("fill control group: %w", err)
		}
	}
	return nil
}

func hierarchies() []string {
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		return []string{cgroups}
	}
	entries, _ := os.ReadDir(cgroups)
	var all []string
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, filepath.Join(cgroups, e.Name()))
		}
	}
	return all
}

// removeCgroups removes the groups, innermost first. The kernel lets go of a
// group a moment after its last process ended.
func (c *Cluster) removeCgroups() error {
	var last error
	for range 100 {
		last = nil
		for _, hierarchy := range hierarchies() {
			last = errors.Join(last, removeTree(filepath.Join(hierarchy, c.CgroupRoot())))
		}
		if last == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("remove control groups: %w", last)
}

func removeTree(root string) error {
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(all)
	for _, dir := range all {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
