package restore

import (
	"context"
	"fmt"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// resumeCronJobs lets the CronJobs that this restore created go on, when
// everything they may touch is there. They have no memory of missed runs, so
// none is made up for.
func (w *work) resumeCronJobs(ctx context.Context) error {
	var waiting []*Item
	for _, item := range w.tally.items(w.stages, agentv1.ItemCreated) {
		if isKind(item.Entry, "batch", "CronJob") && !item.Entry.Facts.Suspended {
			waiting = append(waiting, item)
		}
	}
	err := w.each(ctx, waiting, func(ctx context.Context, item *Item) {
		err := retry(ctx, func() error {
			_, err := w.cluster.merge(ctx, item.Target, item.Resource, "", map[string]any{"spec": map[string]any{"suspend": false}})
			return err
		})
		if err != nil {
			w.tally.note(item, transform.Note{Code: codeRefused, Message: "it stays suspended: " + err.Error()})
		}
	})
	if err != nil {
		return fmt.Errorf("resume CronJobs: %w", err)
	}
	return nil
}
