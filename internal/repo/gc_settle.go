package repo

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// announced lists the recovery points that are announced, those that are
// settled apart.
func (r *Repository) announced(ctx context.Context) (spent, writing []layout.ID, err error) {
	for info, err := range r.store.List(ctx, layout.Writers) {
		if err != nil {
			return nil, nil, fmt.Errorf("list announcements: %w", err)
		}
		id, err := layout.Parse(layout.Writers, info.Name)
		if err != nil {
			continue // not an object of the format
		}
		settled, err := r.settled(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if settled {
			spent = append(spent, id)
		} else {
			writing = append(writing, id)
		}
	}
	return spent, writing, nil
}

// settled reports whether a recovery point that was announced came to be, or
// never will. Its announcement being gone says the same, and is asked second:
// who deletes both deletes it first.
func (r *Repository) settled(ctx context.Context, id layout.ID) (bool, error) {
	for _, name := range []string{layout.Manifest(id), layout.Writer(id)} {
		_, err := r.store.Stat(ctx, name)
		if found := err == nil; found || !errors.Is(err, objstore.ErrNotFound) {
			return found && name == layout.Manifest(id), err
		}
	}
	return true, nil
}

// settle waits until every recovery point that is announced now is settled, by
// force when its writer is believed dead, and clears announcements away that
// are spent. It returns those made void.
func (r *Repository) settle(ctx context.Context, options GCOptions) (voided []string, err error) {
	waiting, err := r.clear(ctx)
	for err == nil && len(waiting) > 0 {
		var left []layout.ID
		for _, id := range waiting {
			settled, failed := r.settled(ctx, id)
			if failed == nil && !settled && options.Dead != nil && options.Dead(id.String()) {
				settled = true
				if failed = r.Void(ctx, id.String()); failed == nil {
					voided = append(voided, id.String())
				} else if errors.Is(failed, ErrConflict) {
					failed = nil // it came to be
				}
			}
			if failed != nil {
				return voided, failed
			}
			if !settled {
				left = append(left, id)
			}
		}
		if waiting = left; len(left) > 0 {
			err = wait(ctx, options, left)
		}
	}
	return voided, err
}

func wait(ctx context.Context, options GCOptions, writing []layout.ID) error {
	var ids []string
	for _, id := range writing {
		ids = append(ids, id.String())
	}
	if options.Wait == nil {
		return fmt.Errorf("%w: %q", ErrBusy, ids)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return options.Wait(ctx, ids)
}

// clear deletes the announcements that are settled, as those of movers behind
// the gate always are left, and returns the others.
func (r *Repository) clear(ctx context.Context) (writing []layout.ID, err error) {
	spent, writing, err := r.announced(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range spent {
		if err := r.store.Delete(ctx, layout.Writer(id)); err != nil {
			return nil, fmt.Errorf("delete spent announcement %s: %w", id, err)
		}
	}
	return writing, nil
}
