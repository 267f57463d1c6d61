// Package location opens the bucket that a backup storage location names, and
// answers what must be known of it before it is used.
package location

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

// ErrURL means that a location's URL is of no form we know.
var ErrURL = errors.New("storage location URL is not understood")

// Location names a bucket.
type Location struct {
	// URL is one of
	//
	//	file:///absolute/folder
	//	https://account.host/container                     Azure Blob
	//	http://host:port/account/container                 its emulator
	//	s3://bucket[/prefix][?endpoint=URL&region=NAME]    Amazon S3 and compatible
	//	gs://bucket[/prefix][?endpoint=URL]                Google Cloud Storage
	//
	// An endpoint is http[s]://host[:port]; without one the cloud's own is meant.
	URL string
	// Account is the storage account's name (Azure Blob) or the access key's
	// id (S3); empty otherwise.
	Account string
	// Key is the account's key in base64 (Azure Blob), the secret access key
	// (S3), or the JSON key of a service account (Cloud Storage; empty for an
	// emulator); empty for a folder.
	Key string
}

// String returns the location without its key.
func (l Location) String() string { return l.URL }

// GoString hides the key.
func (l Location) GoString() string { return l.URL }

// State is what Probe finds.
type State struct {
	Exists bool
	Empty  bool // no object in it; true also when it does not exist
}

// Open returns the bucket, or the part of it, as a store that retries and is
// not waited for without end. A folder must exist (objstore.ErrNoBucket);
// others are not contacted.
func Open(_ context.Context, l Location) (objstore.Store, error) {
	place, err := l.place()
	if err != nil {
		return nil, err
	}
	store, err := place.open()
	if err != nil {
		return nil, fmt.Errorf("open storage location %s: %w", l, err)
	}
	return objstore.Sub(wrap.Retry(wrap.Patience(store, 0), wrap.Retries{}), place.prefix), nil
}

// Create makes the folder or container; one that exists is no error. Buckets
// of S3 and Cloud Storage are not made: they have rules of their own, which
// are their owner's to choose (objstore.ErrNoBucket). Create then makes sure
// that the store keeps its promises; see objstore.CheckPromises.
func Create(ctx context.Context, l Location) error {
	if err := Make(ctx, l); err != nil {
		return err
	}
	return Check(ctx, l)
}

// Make is Create without trying the store.
func Make(ctx context.Context, l Location) error {
	place, err := l.place()
	if err != nil {
		return err
	}
	if err := place.create(ctx); err != nil && !errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("create storage location %s: %w", l, err)
	}
	return nil
}

// Check makes sure that the store keeps its promises; it writes and deletes
// small objects. See objstore.CheckPromises.
func Check(ctx context.Context, l Location) error {
	store, err := Open(ctx, l)
	if err == nil {
		err = objstore.CheckPromises(ctx, store)
	}
	if err != nil {
		return fmt.Errorf("check storage location %s: %w", l, err)
	}
	return nil
}

// Probe finds out whether the bucket exists, lets us in and is empty. Errors
// say why not: objstore.ErrForbidden, objstore.ErrUnavailable, ErrURL. A part
// of a bucket exists when the bucket does.
func Probe(ctx context.Context, l Location) (State, error) {
	store, err := Open(ctx, l)
	if errors.Is(err, objstore.ErrNoBucket) {
		return State{Empty: true}, nil
	}
	if err != nil {
		return State{}, err
	}
	for info, err := range store.List(ctx, "") {
		switch {
		case errors.Is(err, objstore.ErrNoBucket):
			return State{Empty: true}, nil
		case err != nil:
			return State{}, fmt.Errorf("probe storage location %s: %w", l, err)
		case !strings.HasPrefix(info.Name, objstore.TrialPrefix):
			return State{Exists: true}, nil
		}
	}
	return State{Exists: true, Empty: true}, nil
}
