package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/objstore"
)

// Action is what a rotation does, or would do, with one wrapped key.
type Action string

// Actions.
const (
	Keep    Action = "keep"    // it is as it should be
	Rewrap  Action = "rewrap"  // wrapped anew
	Publish Action = "publish" // the catalog's form put into the bucket
	Remove  Action = "remove"  // a form in the bucket that another one replaces
	Fail    Action = "fail"    // left as it is; see Err
)

// Step is one thing that a rotation did, or would do.
type Step struct {
	Place  string // "catalog", or a bucket and a prefix
	Name   string // of the key
	Action Action
	Err    error
}

// Rotation wraps all keys anew with the current provider. The catalog comes
// first, then each bucket is brought to hold the catalog's form and no other:
// nothing is removed before what replaces it can be read. So it may be cut off
// anywhere and repeated, also beside a running service that has the same Set.
type Rotation struct {
	Store  catalog.Store
	Keys   Set
	Dry    bool       // only tell
	Report func(Step) // called for each step in turn
}

// Names lists the keys of the catalog after a name, a page at a time; none are
// left when it is empty.
func (r *Rotation) Names(ctx context.Context, after string) (names []string, err error) {
	err = r.Store.View(ctx, func(tx catalog.Tx) error {
		page, err := tx.List(catalog.Query{Kind: Kind, After: after})
		names = nil
		for _, doc := range page {
			names = append(names, doc.ID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list repository keys: %w", err)
	}
	return names, nil
}

// Catalog wraps one key in the catalog anew.
func (r *Rotation) Catalog(ctx context.Context, name string) error {
	const place = "catalog"
	doc, wrapped, err := r.entry(ctx, name)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil // destroyed meanwhile
	}
	if err != nil {
		return r.fail(place, name, err)
	}
	stale, err := r.Keys.Stale(ctx, name, wrapped)
	if err != nil {
		return r.fail(place, name, err)
	}
	if !stale {
		return r.step(place, name, Keep)
	}
	if r.Dry {
		return r.step(place, name, Rewrap)
	}
	if err := r.replace(ctx, doc, name, wrapped); err != nil {
		return r.fail(place, name, err)
	}
	return r.step(place, name, Rewrap)
}

func (r *Rotation) replace(ctx context.Context, doc catalog.Document, name string, wrapped []byte) error {
	renewed, err := r.Keys.Renew(ctx, name, wrapped)
	if err != nil {
		return err
	}
	if doc.Body, err = json.Marshal(entry{renewed}); err != nil {
		return err
	}
	return r.Store.Update(ctx, func(tx catalog.Tx) error {
		_, err := tx.Put(doc, doc.ETag)
		return err
	})
}

func (r *Rotation) entry(ctx context.Context, name string) (doc catalog.Document, wrapped []byte, err error) {
	var found entry
	err = r.Store.View(ctx, func(tx catalog.Tx) error {
		if doc, err = tx.Get(Kind, name); err != nil {
			return err
		}
		return json.Unmarshal(doc.Body, &found)
	})
	return doc, found.Wrapped, err
}

// Bucket brings the wrapped forms in one repository to the catalog's. place says
// where that is. A repository without any is left alone: it may not exist. What
// cannot be unwrapped, or is another key, is left and told of.
func (r *Rotation) Bucket(ctx context.Context, place, name string, repository objstore.Store) error {
	found, err := documents(ctx, repository)
	if err != nil {
		return r.fail(place, name, err)
	}
	_, wrapped, err := r.entry(ctx, name)
	if len(found) == 0 || errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return r.fail(place, name, err)
	}
	key, err := r.Keys.Unwrap(ctx, name, wrapped)
	if err != nil {
		return r.fail(place, name, err)
	}
	if stale, err := r.Keys.Stale(ctx, name, wrapped); r.Dry && (stale || err != nil) {
		wrapped = nil // it will be another one
	}
	if err := r.publish(ctx, place, name, repository, wrapped, found); err != nil {
		return r.fail(place, name, err)
	}
	var failed []error
	for _, doc := range found {
		if doc.damage == nil && bytes.Equal(doc.Wrapped, wrapped) && doc.object == nameOf(wrapped) {
			continue
		}
		failed = append(failed, r.remove(ctx, place, name, repository, doc, key))
	}
	return errors.Join(failed...)
}

// publish puts the catalog's form into the bucket, and reads it back.
func (r *Rotation) publish(ctx context.Context, place, name string, repository objstore.Store, wrapped []byte, found []Document) error {
	for _, doc := range found {
		if doc.damage == nil && bytes.Equal(doc.Wrapped, wrapped) && doc.object == nameOf(wrapped) {
			return r.step(place, name, Keep)
		}
	}
	if r.Dry {
		return r.step(place, name, Publish)
	}
	if err := putDocument(ctx, repository, name, r.Keys.Describe(), wrapped); err != nil {
		return err
	}
	info, err := repository.Stat(ctx, nameOf(wrapped))
	if err != nil {
		return err
	}
	doc, err := readDocument(ctx, repository, info)
	if err == nil && (doc.damage != nil || !bytes.Equal(doc.Wrapped, wrapped)) {
		err = fmt.Errorf("%s is not what was put there: %w", info.Name, doc.damage)
	}
	if err != nil {
		return err
	}
	return r.step(place, name, Publish)
}

// remove removes a form that holds the same key as the catalog's.
func (r *Rotation) remove(ctx context.Context, place, name string, repository objstore.Store, doc Document, key []byte) error {
	err := doc.damage
	var held []byte
	if err == nil {
		held, err = r.Keys.Unwrap(ctx, doc.Repository, doc.Wrapped)
	}
	if err == nil && !bytes.Equal(held, key) {
		err = errors.New("it is another key than the catalog's")
	}
	if err == nil && !r.Dry {
		err = repository.Delete(ctx, doc.object)
	}
	if err != nil {
		return r.fail(place, name, fmt.Errorf("%s: %w", doc.object, err))
	}
	return r.step(place, name, Remove)
}

func (r *Rotation) step(place, name string, action Action) error {
	r.Report(Step{Place: place, Name: name, Action: action})
	return nil
}

func (r *Rotation) fail(place, name string, err error) error {
	r.Report(Step{Place: place, Name: name, Action: Fail, Err: err})
	return fmt.Errorf("key of repository %s in %s: %w", name, place, err)
}
