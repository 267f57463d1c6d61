package controller

import (
	"context"

	"holdfast.dev/holdfast/internal/agent/collect"
)

// resolve chooses the namespaces. What was asked for and is not there is kept
// for the end, so that the manifest tells it too.
func (b *backup) resolve(ctx context.Context) error {
	if _, err := collect.LabelSelector(b.spec.Selection); err != nil {
		return problem(CodeInvalidInput, "Correct the label selectors of the backup configuration.", "The selection cannot be read: %v", err)
	}
	existing, err := collect.ListNamespaces(ctx, b.kube)
	if err != nil {
		return err
	}
	b.existing = existing
	namespaces, warnings := collect.Namespaces(b.spec.Selection, existing, b.options.Namespace)
	b.namespaces = namespaces
	b.journal.warn(warnings...)
	return nil
}
