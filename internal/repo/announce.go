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

// unwanted loads the index, and returns the packs that a writer must not rely
// on: those about to be deleted, and those the index speaks of that are not
// there, or not of their size. It is asked after announcing: who deletes packs
// waits for writers announced before they were condemned, and the others see
// it here. The order matters: a pack that is listed after no condemnation of it
// was found is not deleted while the writer is at work, however old the segment
// that speaks of it.
func (r *Repository) unwanted(ctx context.Context) (map[layout.ID]bool, error) {
	packs, err := r.condemned(ctx)
	if err == nil {
		err = r.places.refresh(ctx)
	}
	if err != nil {
		return nil, err
	}
	present, err := r.packs(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range r.places.packs() {
		if size, there := present[one.ID]; !there || one.Size != 0 && int64(one.Size) != size {
			packs[one.ID] = true
		}
	}
	return packs, nil
}

// packs lists the packs there are, with their sizes.
func (r *Repository) packs(ctx context.Context) (map[layout.ID]int64, error) {
	present := map[layout.ID]int64{}
	for info, err := range r.store.List(ctx, layout.Packs) {
		if err != nil {
			return nil, fmt.Errorf("list packs: %w", err)
		}
		if id, err := layout.ParsePack(info.Name); err == nil { // others are not of the format
			present[id] = info.Size
		}
	}
	return present, nil
}

// condemned returns the packs that are about to be deleted.
func (r *Repository) condemned(ctx context.Context) (map[layout.ID]bool, error) {
	lists, err := r.condemnations(ctx, nil)
	packs := map[layout.ID]bool{}
	for _, list := range lists {
		for _, id := range list {
			packs[id] = true
		}
	}
	return packs, err
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
