package repo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// announcement is the content of an object under "writers/".
type announcement struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
}

// announce says that a recovery point is being written, before its writer
// trusts in any block that is stored. Whoever deletes packs waits for it, or
// makes the recovery point void. Announcing again is no error.
func (r *Repository) announce(ctx context.Context, point layout.ID) error {
	content, err := json.Marshal(announcement{Version: layout.Version, ID: point.String()})
	if err == nil {
		err = r.putDocument(ctx, layout.Writer(point), seal.Writer, point, content)
	}
	if errors.Is(err, objstore.ErrExists) {
		return nil
	}
	return err
}

func (r *Repository) putDocument(ctx context.Context, name string, magic seal.Magic, id layout.ID, content []byte) error {
	var salt [manifest.SaltSize]byte
	_, _ = rand.Read(salt[:]) // never fails
	data, err := manifest.EncodeDocument(r.keys, magic, r.id, id, salt, content)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return wrap(r.store.Put(ctx, name, bytes.NewReader(data), int64(len(data))), "store "+name)
}

// condemnation is the content of an object under "condemned/".
type condemnation struct {
	Version int      `json:"version"`
	Packs   []string `json:"packs"` // ids
}

// condemned returns the packs that are about to be deleted. It is asked after
// announcing: who deletes packs waits for writers announced before they were
// condemned, and the others see it here.
func (r *Repository) condemned(ctx context.Context) (map[layout.ID]bool, error) {
	packs := map[layout.ID]bool{}
	for info, err := range r.store.List(ctx, layout.Condemneds) {
		if err != nil {
			return nil, fmt.Errorf("list condemned packs: %w", err)
		}
		id, err := layout.Parse(layout.Condemneds, info.Name)
		if err != nil {
			continue // not an object of the format
		}
		data, err := readObject(ctx, r.store, info.Name, manifest.MaxDocument)
		if errors.Is(err, objstore.ErrNotFound) {
			continue // its packs are gone, and with them their segments
		}
		if err == nil {
			err = r.condemn(packs, id, data)
		}
		if err != nil {
			return nil, located(info.Name, err)
		}
	}
	return packs, nil
}

// condemn adds the packs of one condemnation.
func (r *Repository) condemn(packs map[layout.ID]bool, id layout.ID, data []byte) error {
	content, err := manifest.DecodeDocument(r.keys, seal.Condemned, r.id, id, data)
	if err != nil {
		return err
	}
	var list condemnation
	if err := json.Unmarshal(content, &list); err != nil {
		return fmt.Errorf("%w: %w", manifest.ErrDocument, err)
	}
	if list.Version != layout.Version {
		return fmt.Errorf("%w: condemnation has version %d", ErrVersion, list.Version)
	}
	for _, text := range list.Packs {
		pack, err := layout.ParseID(text)
		if err != nil {
			return fmt.Errorf("%w: %w", manifest.ErrDocument, err)
		}
		packs[pack] = true
	}
	return nil
}
