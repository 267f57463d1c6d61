package provider

import (
	"context"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// base is a document.
type base interface{ Base() *backup.Meta }

// resource is what the API shows of a document.
type resource interface{ ResourceID() string }

// get answers GET with the document of the request's id.
func get[D base, R any](store catalog.Store, read func(tx catalog.Tx, id string) (D, error), to func(catalog.Tx, D) (R, error)) arm.Handler {
	return func(ctx context.Context, r *arm.Request) (*arm.Response, error) {
		var out R
		var etag string
		err := store.View(ctx, func(tx catalog.Tx) error {
			d, err := read(tx, r.ID.String())
			if err != nil {
				return err
			}
			etag = d.Base().ETag
			out, err = to(tx, d)
			return err
		})
		if err != nil {
			return nil, err
		}
		return arm.OK(out).WithETag(etag), nil
	}
}

// list answers with a page of what lies below the request's id. It is an error
// when that is not there, as parent says; nil where the framework has looked.
func list[D any, R resource](store catalog.Store, parent func(tx catalog.Tx, id string) error,
	page func(tx catalog.Tx, parent, after string, limit int) ([]D, string, error), to func(catalog.Tx, *D) (R, error)) arm.Handler {
	return func(ctx context.Context, r *arm.Request) (*arm.Response, error) {
		var out []R
		var next string
		err := store.View(ctx, func(tx catalog.Tx) (err error) {
			if parent != nil {
				if err := parent(tx, r.ID.String()); err != nil {
					return err
				}
			}
			var found []D
			if found, next, err = page(tx, r.ID.String(), r.After(), r.Limit()); err != nil {
				return err
			}
			out, err = showIn(tx, found, to)
			return err
		})
		if err != nil {
			return nil, err
		}
		return arm.Page(r, out, R.ResourceID, next)
	}
}

// exists is the parent of a list that must be there.
func exists[D any](read func(tx catalog.Tx, id string) (D, error)) func(catalog.Tx, string) error {
	return func(tx catalog.Tx, id string) error {
		_, err := read(tx, id)
		return err
	}
}

// alone converts a document that shows nothing of others.
func alone[D, R any](to func(D) R) func(catalog.Tx, D) (R, error) {
	return func(_ catalog.Tx, d D) (R, error) { return to(d), nil }
}

// show converts a list of documents.
func show[D, R any](found []D, to func(*D) R) []R {
	out := make([]R, len(found))
	for i := range found {
		out[i] = to(&found[i])
	}
	return out
}

// showIn converts documents that show something of others.
func showIn[D, R any](tx catalog.Tx, found []D, to func(catalog.Tx, *D) (R, error)) ([]R, error) {
	out := make([]R, len(found))
	for i := range found {
		var err error
		if out[i], err = to(tx, &found[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
