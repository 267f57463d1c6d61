// Package wrap holds behaviour that any object store can be given: each file
// wraps a store in another one of the same contract.
package wrap

import (
	"context"
	"fmt"
	"io"

	"holdfast.dev/holdfast/internal/objstore"
)

// ReadOnly returns store with Put and Delete refused as objstore.ErrForbidden.
func ReadOnly(store objstore.Store) objstore.Store { return readOnly{store} }

type readOnly struct{ objstore.Store }

// Put refuses.
func (readOnly) Put(_ context.Context, name string, _ io.Reader, _ int64) error {
	return fmt.Errorf("write object %s: %w: store is read-only", name, objstore.ErrForbidden)
}

// Delete refuses.
func (readOnly) Delete(_ context.Context, name string) error {
	return fmt.Errorf("delete object %s: %w: store is read-only", name, objstore.ErrForbidden)
}
