package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// Flush stores everything of the streams that were closed, with its index, so
// that a later Writer, or one in another process, can commit them.
// The end of ctx ends the writer.
func (w *Writer) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { w.cancel(context.Cause(ctx)) })
	defer stop()
	w.inflight.Wait()
	if err := w.err(); err != nil {
		return fmt.Errorf("write recovery point %s: %w", w.point, err)
	}
	return wrap(w.packs.flush(ctx), fmt.Sprintf("write recovery point %s", w.point))
}

// Commit stores what is left of packs and index, and then the manifest: with
// that, and not before, the recovery point exists. Version, Root and the order
// of Streams are filled in; an empty ID means the writer's. Every stream begun
// must be closed. Committing a recovery point that exists with the same
// content is success; with other content ErrConflict, and ErrVoid when it was
// made void. The writer still has to be closed.
func (w *Writer) Commit(ctx context.Context, m Manifest) error {
	if m.ID == "" {
		m.ID = w.point.String()
	}
	if err := w.ready(m); err != nil {
		return fmt.Errorf("commit recovery point %s: %w", w.point, err)
	}
	if err := w.Flush(ctx); err != nil {
		return err
	}
	if err := w.repo.putManifest(ctx, w.point, m); err != nil {
		return fmt.Errorf("commit recovery point %s: %w", w.point, err)
	}
	w.repo.retract(ctx, w.point)
	return nil
}

func (w *Writer) ready(m Manifest) error {
	if m.ID != w.point.String() {
		return fmt.Errorf("manifest is of recovery point %q", m.ID)
	}
	if m.Void {
		return errors.New("a void manifest is not committed")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, closed := range w.streams {
		if !closed {
			return fmt.Errorf("stream %q is not closed", name)
		}
	}
	return nil
}

func (r *Repository) putManifest(ctx context.Context, point layout.ID, m Manifest) error {
	m.Seal()
	if err := m.Check(); err != nil {
		return err
	}
	content, err := m.Encode()
	if err != nil {
		return err
	}
	err = r.putDocument(ctx, layout.Manifest(point), seal.Manifest, point, content)
	if !errors.Is(err, objstore.ErrExists) {
		return err
	}
	return r.sameManifest(ctx, point, content)
}

// sameManifest proves that a manifest that exists has this content.
func (r *Repository) sameManifest(ctx context.Context, point layout.ID, content []byte) error {
	existing, err := r.manifestContent(ctx, point)
	if err != nil || bytes.Equal(existing, content) {
		return err
	}
	if old, err := manifest.Decode(existing, point); err == nil && old.Void {
		return ErrVoid
	}
	return ErrConflict
}

// retract removes an announcement that is spent. One that stays is harmless:
// its recovery point exists or is void, which settles it.
func (r *Repository) retract(ctx context.Context, point layout.ID) {
	_ = r.store.Delete(ctx, layout.Writer(point)) // see above
}

// Void makes sure that id never becomes a recovery point, whatever a writer
// that is believed dead still does: it takes the manifest's name. It returns
// ErrConflict when the recovery point exists already.
func (r *Repository) Void(ctx context.Context, id string) error {
	point, err := layout.ParseID(id)
	if err == nil {
		err = r.putManifest(ctx, point, Manifest{ID: id, Void: true})
	}
	if err != nil && !errors.Is(err, ErrVoid) {
		return fmt.Errorf("make recovery point %s void: %w", id, err)
	}
	r.retract(ctx, point)
	return nil
}
