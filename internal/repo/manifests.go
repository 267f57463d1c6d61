package repo

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// The content of a manifest.
type (
	// Manifest describes one recovery point.
	Manifest = manifest.Manifest
	// StreamRef names a stream that was written.
	StreamRef = manifest.StreamRef
	// StreamType says how a stream's blocks are to be understood.
	StreamType = manifest.StreamType
	// Volume is what is known of one persistent volume claim.
	Volume = manifest.Volume
	// Kind is a kind of objects in the archive.
	Kind = manifest.Kind
	// Warning names something that is not protected, and why.
	Warning = manifest.Warning
)

// Types of streams.
const (
	TypeArchive = manifest.TypeArchive
	TypeVolume  = manifest.TypeVolume
)

// ManifestInfo is what a listing tells of a recovery point.
type ManifestInfo struct {
	ID   string // 32 hex digits
	Size int64  // bytes of the manifest object
}

// Manifests lists the recovery points in order of their ids, completely or
// with an error as the last element. It does not read them, so ids that were
// made void are among them; Manifest tells.
func (r *Repository) Manifests(ctx context.Context) iter.Seq2[ManifestInfo, error] {
	return func(yield func(ManifestInfo, error) bool) {
		for info, err := range r.store.List(ctx, layout.Manifests) {
			if err != nil {
				yield(ManifestInfo{}, fmt.Errorf("list recovery points: %w", err))
				return
			}
			id, err := layout.Parse(layout.Manifests, info.Name)
			if err != nil {
				continue // not an object of the format
			}
			if !yield(ManifestInfo{ID: id.String(), Size: info.Size}, nil) {
				return
			}
		}
	}
}

// Manifest reads a recovery point's manifest and checks its signature and
// root. Errors: ErrNoRecoveryPoint, ErrVoid, ErrVersion, ErrDamaged.
func (r *Repository) Manifest(ctx context.Context, id string) (Manifest, error) {
	point, err := layout.ParseID(id)
	if err != nil {
		return Manifest{}, err
	}
	content, err := r.manifestContent(ctx, point)
	if errors.Is(err, objstore.ErrNotFound) {
		return Manifest{}, fmt.Errorf("recovery point %s: %w", id, ErrNoRecoveryPoint)
	}
	if err != nil {
		return Manifest{}, err
	}
	m, err := manifest.Decode(content, point)
	if err != nil {
		return Manifest{}, located(layout.Manifest(point), err)
	}
	if m.Void {
		return Manifest{}, fmt.Errorf("recovery point %s: %w", id, ErrVoid)
	}
	return m, nil
}

func (r *Repository) manifestContent(ctx context.Context, point layout.ID) ([]byte, error) {
	name := layout.Manifest(point)
	data, err := readObject(ctx, r.store, name, manifest.MaxDocument)
	if err != nil {
		return nil, err
	}
	content, err := manifest.DecodeDocument(r.keys, seal.Manifest, r.id, point, data)
	return content, located(name, err)
}

// DeleteManifest ends a recovery point. Its packs and index segments stay, for
// CollectGarbage to judge. Deleting what does not exist is no error. No writer
// of the same id may be at work any more; who is not sure of that makes the id
// void afterwards.
func (r *Repository) DeleteManifest(ctx context.Context, id string) error {
	point, err := layout.ParseID(id)
	if err == nil {
		err = r.deleteManifest(ctx, point)
	}
	return wrap(err, "delete recovery point "+id)
}

// deleteManifest deletes an announcement that was left first: alone it would
// say that the recovery point is being written.
func (r *Repository) deleteManifest(ctx context.Context, point layout.ID) error {
	_, err := r.store.Stat(ctx, layout.Manifest(point))
	if errors.Is(err, objstore.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = r.store.Delete(ctx, layout.Writer(point))
	}
	if err == nil {
		err = r.store.Delete(ctx, layout.Manifest(point))
	}
	return err
}
