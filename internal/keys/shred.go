package keys

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/objstore"
)

// Shred destroys all wrapped forms of a key, in the catalog and in the places
// that hold the repository: after it the data cannot be read by anybody who has
// not kept a copy of the key. It may be repeated, and must be until it succeeds.
//
// The catalog comes first: from then on nobody can publish the key any more, and
// who was about to takes back what it put after the bucket was looked at.
func Shred(ctx context.Context, store catalog.Store, name string, repositories ...objstore.Store) error {
	if err := store.Update(ctx, func(tx catalog.Tx) error { return Destroy(tx, name) }); err != nil {
		return err
	}
	var failed []error
	for _, repository := range repositories {
		if err := shredIn(ctx, repository); err != nil {
			failed = append(failed, fmt.Errorf("shred the key of repository %s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// shredIn deletes everything where wrapped keys lie, also what makes no sense,
// and looks again.
func shredIn(ctx context.Context, repository objstore.Store) error {
	names, err := namesIn(ctx, repository)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := repository.Delete(ctx, name); err != nil {
			return err
		}
	}
	left, err := namesIn(ctx, repository)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%d wrapped keys are still there", len(left))
	}
	return err
}

func namesIn(ctx context.Context, repository objstore.Store) (names []string, err error) {
	for info, err := range repository.List(ctx, Folder) {
		if err != nil {
			return nil, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}
