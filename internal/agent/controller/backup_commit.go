package controller

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo"
)

// commit writes the manifest: from then on the recovery point exists.
func (b *backup) commit(ctx context.Context) error {
	if err := b.writer.Flush(ctx); err != nil {
		return fmt.Errorf("store the archive: %w", err)
	}
	m := b.manifest(b.writer.Stats().BytesStored)
	b.fate = fateUnknown
	err := b.writer.Commit(ctx, m)
	if errors.Is(err, repo.ErrConflict) { // an attempt that was believed dead came first
		m, err = b.repository.Manifest(ctx, b.spec.RecoveryPointID)
	}
	if err != nil {
		return fmt.Errorf("commit recovery point %s: %w", b.spec.RecoveryPointID, err)
	}
	b.fate = fateCommitted
	b.result = resultOf(m)
	return nil
}
