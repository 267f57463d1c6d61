// Package repo is the only face of the repository format: what is stored of
// one backup instance in one place. A repository is a prefix of a bucket that
// is written once, object by object, and encrypted on the writer's side; see
// spec/repository.md.
//
//	         Writer                              Repository
//	Archive ── groups ──┐                 Manifest ── streams ── pages ── blocks
//	Volume  ── blocks ──┴─ frames ─ packs ─ index ─ manifest (= the recovery point)
//
// Order of writing: packs, index segments, manifest. A recovery point exists
// exactly when its manifest does; a crash leaves at worst packs and segments
// that nothing refers to.
package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// Key is a repository's data key. It prints as a placeholder.
type Key [seal.KeySize]byte

// ParseKey returns the key in raw, which must be 32 bytes.
func ParseKey(raw []byte) (Key, error) {
	var k Key
	if len(raw) != len(k) {
		return Key{}, fmt.Errorf("a data key has %d bytes, not %d", len(k), len(raw))
	}
	copy(k[:], raw)
	return k, nil
}

// String hides the key.
func (Key) String() string { return "data key" }

// GoString hides the key.
func (k Key) GoString() string { return k.String() }

// MarshalText refuses: a data key is never part of a document.
func (Key) MarshalText() ([]byte, error) { return nil, errors.New("a data key is not written out") }

// CreateOptions say what a new repository is.
type CreateOptions struct {
	ID string // 32 lower-case hex digits, random
}

// Create makes store's root a repository. Doing it again with the same id and
// key is no error; with another id ErrConflict, with another key ErrWrongKey.
func Create(ctx context.Context, store objstore.Store, key Key, options CreateOptions) error {
	id, err := layout.ParseID(options.ID)
	if err != nil {
		return fmt.Errorf("create repository: %w", err)
	}
	data := encodeIdentity(id, seal.Derive(key, id))
	err = store.Put(ctx, layout.Repository, bytes.NewReader(data), int64(len(data)))
	if !errors.Is(err, objstore.ErrExists) {
		return wrap(err, "create repository")
	}
	existing, err := Open(ctx, store, key)
	if err != nil {
		return fmt.Errorf("create repository: there is one already: %w", err)
	}
	if existing.id != id {
		return fmt.Errorf("create repository %s: %w: repository %s is there", id, ErrConflict, existing.id)
	}
	return nil
}

// Repository reads recovery points, and makes Writers. It is safe for
// concurrent use.
type Repository struct {
	store  objstore.Store
	id     layout.ID
	keys   *seal.Keys
	places *places
	frames *frames
}

// Open opens the repository at store's root. The errors tell what is wrong:
// ErrNoRepository, ErrWrongKey, ErrVersion, ErrDamaged.
func Open(ctx context.Context, store objstore.Store, key Key) (*Repository, error) {
	data, err := readObject(ctx, store, layout.Repository, maxIdentity)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, fmt.Errorf("open repository: %w: %w", ErrNoRepository, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	id, keys, err := checkIdentity(data, key)
	if err != nil {
		return nil, fmt.Errorf("open repository: object %q: %w", layout.Repository, err)
	}
	return &Repository{store: store, id: id, keys: keys,
		places: newPlaces(store, keys), frames: newFrames(store, keys)}, nil
}

// ID returns the repository's id.
func (r *Repository) ID() string { return r.id.String() }

// Close releases the temporary files that hold the index.
func (r *Repository) Close() error { return r.places.close() }
