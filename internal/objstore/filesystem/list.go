package filesystem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/objstore"
)

// List yields the files whose path starts with prefix, in byte order of whole
// paths; see objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		if !s.linked() {
			yield(objstore.Info{}, fmt.Errorf("list %q: %w", prefix, objstore.ErrNoBucket))
			return
		}
		w := walk{ctx: ctx, store: s, prefix: prefix, yield: yield}
		w.folder(".")
	}
}

type walk struct {
	ctx    context.Context
	store  *Store
	prefix string
	yield  func(objstore.Info, error) bool
}

// folder visits one folder and reports whether the walk goes on.
func (w *walk) folder(dir string) bool {
	entries, err := fs.ReadDir(w.store.root.FS(), dir)
	if err == nil {
		err = w.ctx.Err()
	}
	if err != nil {
		w.yield(objstore.Info{}, fmt.Errorf("list folder %s: %w", dir, kind(err)))
		return false
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, entry := range entries {
		if entry.Name()[0] != '.' && !w.entry(path.Join(dir, entry.Name()), entry) {
			return false
		}
	}
	return true
}

func (w *walk) entry(name string, entry fs.DirEntry) bool {
	if entry.IsDir() {
		inside := name + "/"
		if strings.HasPrefix(inside, w.prefix) || strings.HasPrefix(w.prefix, inside) {
			return w.folder(name)
		}
		return true
	}
	if !strings.HasPrefix(name, w.prefix) || !entry.Type().IsRegular() {
		return true
	}
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return true // deleted while we listed
	}
	if err != nil {
		w.yield(objstore.Info{}, fmt.Errorf("list %s: %w", name, kind(err)))
		return false
	}
	return w.yield(objstore.Info{Name: name, Size: info.Size()}, nil)
}

// sortKey orders entries as whole paths are ordered: what lies in folder "a"
// starts with "a/", which comes after "a-b".
func sortKey(entry fs.DirEntry) string {
	if entry.IsDir() {
		return entry.Name() + "/"
	}
	return entry.Name()
}
