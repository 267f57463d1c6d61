package controller

import (
	"context"
	"fmt"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/collect"
	"holdfast.dev/holdfast/internal/repo"
)

// ObjectsStream is the name of the archive of Kubernetes objects in a recovery
// point.
const ObjectsStream = "objects"

// collect streams the selected objects into the archive.
func (b *backup) collect(ctx context.Context) error {
	b.startedAt = b.options.Clock.Now()
	// The writer lives as long as the run: its uploads go on while the next
	// steps wait for snapshots.
	writer, err := b.repository.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: b.spec.RecoveryPointID})
	if err != nil {
		return fmt.Errorf("begin recovery point: %w", err)
	}
	b.writer = writer
	archive, err := writer.Archive(ObjectsStream)
	if err != nil {
		return fmt.Errorf("begin archive: %w", err)
	}
	b.collected, err = collect.Collect(ctx, collect.Request{
		Client:     b.raw,
		Selection:  b.spec.Selection,
		Namespaces: b.namespaces,
		Existing:   len(b.existing),
		Sink:       sink{archive},
		Progress: func(objects, bytes int64) {
			b.journal.report(agentv1.Progress{ItemsDone: objects, BytesDone: bytes})
		},
	})
	if err != nil {
		return err
	}
	after, err := collect.ListNamespaces(ctx, b.kube)
	if err != nil {
		return err
	}
	b.journal.warn(b.collected.Warnings...)
	b.journal.warn(collect.Vanished(b.namespaces, b.existing, after)...)
	b.stream, err = archive.Close()
	if err != nil {
		return fmt.Errorf("end archive: %w", err)
	}
	return nil
}

// sink writes collected objects into an archive.
type sink struct{ archive *repo.ArchiveWriter }

// Put adds one object.
func (s sink) Put(_ context.Context, key string, object []byte) error {
	return s.archive.Add(key, object)
}
