package provider

import (
	"context"
	"errors"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/operations"
)

// remove answers DELETE of a document that is as the caller knows it: forget
// removes it, with what belongs to it, or refuses.
func remove[D base](store catalog.Store, read func(tx catalog.Tx, id string) (D, error), forget func(catalog.Tx, *arm.Request, D) error) arm.Handler {
	return func(ctx context.Context, r *arm.Request) (*arm.Response, error) {
		err := store.Update(ctx, func(tx catalog.Tx) error {
			d, err := read(tx, r.ID.String())
			if err != nil {
				return err
			}
			if err := r.Match(d.Base().ETag); err != nil {
				return err
			}
			return forget(tx, r, d)
		})
		return removed(err, arm.OK(nil))
	}
}

// removed answers a DELETE: 204 when there was nothing.
func removed(err error, done *arm.Response) (*arm.Response, error) {
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return arm.NoContent(), nil
	case err != nil:
		return nil, err
	default:
		return done, nil
	}
}

// accepted answers a DELETE that goes on.
func accepted(err error, op operations.Record, at arm.Poll) (*arm.Response, error) {
	return removed(err, arm.Accepted(op, at))
}
