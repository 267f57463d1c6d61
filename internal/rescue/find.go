// Package rescue reads backups out of a bucket with nothing but the keys: no
// service, no catalog, no cluster. It finds repositories, lists their recovery
// points, and hands out objects, volumes and files. What is damaged does not
// hide what is whole: it is named, and the rest is given.
//
//	bucket ── Find ── Place ── Open ── Points ── Objects
//	                                        └─── Volume ── Device ── files
package rescue

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// Place is where a repository lies in a bucket, and what a listing tells of it.
type Place struct {
	Prefix    string // ends with "/", or is empty
	Identity  bool   // its object "repository" is there
	Keys      int    // wrapped data keys in it
	Manifests int    // recovery points, and ids that were made void
	Packs     int
	Bytes     int64 // of packs
}

// kinds are the prefixes of objects in a repository, by which it is found when
// its object "repository" is lost.
var kinds = []string{layout.Packs, layout.Indexes, layout.Manifests, keys.Folder}

// Find lists everything below prefix and returns the places of repositories, in
// order. progress, which may be nil, is told now and then how many objects were
// seen.
func Find(ctx context.Context, store objstore.Store, prefix string, progress func(objects int)) ([]Place, error) {
	found := map[string]*Place{}
	seen := 0
	for info, err := range store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list the store: %w", err)
		}
		note(found, info)
		if seen++; seen%10_000 == 0 && progress != nil {
			progress(seen)
		}
	}
	var places []Place
	for _, p := range found {
		if p.Identity || p.Manifests > 0 {
			places = append(places, *p)
		}
	}
	slices.SortFunc(places, func(a, b Place) int { return strings.Compare(a.Prefix, b.Prefix) })
	return places, nil
}

// note enters one object with the repository it belongs to.
func note(found map[string]*Place, info objstore.Info) {
	prefix, kind := belongs(info.Name)
	if kind == "" {
		return
	}
	p := found[prefix]
	if p == nil {
		p = &Place{Prefix: prefix}
		found[prefix] = p
	}
	switch kind {
	case layout.Repository:
		p.Identity = true
	case keys.Folder:
		p.Keys++
	case layout.Manifests:
		p.Manifests++
	case layout.Packs:
		p.Packs++
		p.Bytes += info.Size
	}
}

// belongs says to which repository an object belongs by its name, and its kind.
func belongs(name string) (prefix, kind string) {
	if path.Base(name) == layout.Repository {
		return strings.TrimSuffix(name, layout.Repository), layout.Repository
	}
	for _, kind := range kinds {
		at := strings.LastIndex("/"+name, "/"+kind)
		if at < 0 {
			continue
		}
		rest := name[at+len(kind):]
		if _, err := layout.ParseID(path.Base(rest)); err == nil || kind == keys.Folder {
			return name[:at], kind
		}
	}
	return "", ""
}

// KeySource tells the data key of a repository, and the name the service knows
// the key by where that is known.
type KeySource func(ctx context.Context, repository objstore.Store) (key repo.Key, name string, err error)

// Wrapped takes the data key out of the wrapped ones that lie in the repository.
func Wrapped(provider keys.Provider) KeySource {
	return func(ctx context.Context, repository objstore.Store) (repo.Key, string, error) {
		raw, name, err := keys.Recover(ctx, repository, provider)
		if err != nil {
			return repo.Key{}, "", err
		}
		key, err := repo.ParseKey(raw)
		return key, name, err
	}
}

// Plain is a data key that somebody kept.
func Plain(key repo.Key) KeySource {
	return func(context.Context, objstore.Store) (repo.Key, string, error) { return key, "", nil }
}

// Opened is a repository that can be read.
type Opened struct {
	Place
	*repo.Repository
	KeyName string // the name that the wrapped key is bound to; empty when not known
	// Notes are sentences about what is not as it should be.
	Notes []string

	store    objstore.Store
	salvaged *repo.Repository
}

// Store is the part of the bucket that is the repository.
func (o *Opened) Store() objstore.Store { return o.store }

// Open opens the repository at a place. One whose object "repository" is lost or
// damaged is opened all the same when its id can be told.
func Open(ctx context.Context, bucket objstore.Store, at Place, source KeySource) (*Opened, error) {
	store := objstore.Sub(bucket, at.Prefix)
	key, name, err := source(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("data key of %s: %w", at, err)
	}
	o := &Opened{Place: at, KeyName: name, store: store}
	o.Repository, err = repo.Open(ctx, store, key)
	if errors.Is(err, repo.ErrNoRepository) || errors.Is(err, repo.ErrDamaged) {
		o.Repository, err = withoutIdentity(ctx, store, at, key, err)
		o.Notes = append(o.Notes, "The object \"repository\" is lost or damaged. It was made up from the name of the place and the key.")
	}
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", at, err)
	}
	return o, nil
}

// String names the place for people.
func (p Place) String() string {
	if p.Prefix == "" {
		return "at the top of the store"
	}
	return strings.TrimSuffix(p.Prefix, "/")
}

// Salvage returns a reader that makes up for index segments that are lost or
// damaged. It is made once.
func (o *Opened) Salvage(ctx context.Context) (*repo.Repository, error) {
	if o.salvaged == nil {
		salvaged, err := o.Repository.Salvage(ctx)
		if err != nil {
			return nil, err
		}
		o.salvaged = salvaged
	}
	return o.salvaged, nil
}

// Close lets go of temporary files.
func (o *Opened) Close() error {
	err := o.Repository.Close()
	if o.salvaged != nil {
		err = errors.Join(err, o.salvaged.Close())
	}
	return err
}

// withoutIdentity opens a repository over an object "repository" that is made
// from the id that the last part of the prefix is, and the key. A manifest proves
// the id: its signature covers it.
func withoutIdentity(ctx context.Context, store objstore.Store, at Place, key repo.Key, why error) (*repo.Repository, error) {
	id := path.Base(strings.TrimSuffix(at.Prefix, "/"))
	made := &overlay{Store: store}
	if err := repo.Create(ctx, made, key, repo.CreateOptions{ID: id}); err != nil {
		return nil, why // no id to be told
	}
	r, err := repo.Open(ctx, made, key)
	if err != nil {
		return nil, errors.Join(why, err)
	}
	for info, err := range r.Manifests(ctx) {
		if err == nil {
			_, err = r.Manifest(ctx, info.ID)
		}
		if err == nil || errors.Is(err, repo.ErrVoid) {
			return r, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("no manifest can be read with the id %s", id), why, r.Close())
}
