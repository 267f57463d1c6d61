package controller

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo"
)

// fate is what is known about the recovery point a backup is to make.
type fate int

const (
	fateUnknown   fate = iota
	fateAbsent         // it does not exist, and nobody tried to write it since that was seen
	fateCommitted      // it exists
)

// open opens the repository, and makes it with the first backup.
func (b *backup) open(ctx context.Context) error {
	p, err := b.place(ctx, b.grant)
	if err != nil {
		return err
	}
	b.repository, err = p.create(ctx)
	return err
}

// resume finds out whether an earlier attempt has written the recovery point
// already; then only cleaning up is left to do.
func (b *backup) resume(ctx context.Context) error {
	m, err := b.repository.Manifest(ctx, b.spec.RecoveryPointID)
	if errors.Is(err, repo.ErrNoRecoveryPoint) {
		b.fate = fateAbsent
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for recovery point %s: %w", b.spec.RecoveryPointID, err)
	}
	b.adopt(m)
	return nil
}

// adopt makes the recovery point that exists the result.
func (b *backup) adopt(m repo.Manifest) {
	b.fate = fateCommitted
	b.result = resultOf(m)
	b.journal.warn(warningsOf(m)...)
}
