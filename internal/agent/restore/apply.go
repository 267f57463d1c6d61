package restore

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// quickTries is how often a request that may succeed later is tried before
// its object is put off until all others are there.
const quickTries = 3

// apply does what the plan says of one object and returns what came of it.
func (w *work) apply(ctx context.Context, item *Item) outcome {
	switch item.Action {
	case Skip:
		return outcome{action: agentv1.ItemSkipped, reason: item.Reason}
	case Refuse:
		return outcome{action: agentv1.ItemFailed, reason: item.Reason}
	}
	result, err := w.tryQuickly(ctx, item)
	if err != nil {
		return outcome{action: agentv1.ItemFailed, again: true, transient: transient(err),
			reason: Reason{Code: refusal(err), Message: err.Error(), Warn: true}}
	}
	return result
}

func (w *work) tryQuickly(ctx context.Context, item *Item) (result outcome, err error) {
	wait := 200 * time.Millisecond
	for try := 1; ; try++ {
		result, err = w.once(ctx, item)
		if err == nil || try == quickTries || !transient(err) || !sleep(ctx, wait) {
			return result, err
		}
		wait *= 3
	}
}

func (w *work) once(ctx context.Context, item *Item) (outcome, error) {
	switch item.Action {
	case Patch:
		return w.patch(ctx, item)
	case Merge:
		return w.mergeAccount(ctx, item)
	case Resume:
		return w.resume(ctx, item)
	}
	return w.create(ctx, item)
}

// wanted reads an object from the spool as it is to be in the cluster.
func (w *work) wanted(item *Item) (map[string]any, []transform.Note, error) {
	body, err := w.archive.body(item.Entry)
	if err != nil {
		return nil, nil, err
	}
	notes := w.rules.Apply(body)
	return body, notes, nil
}

// newborn is wanted for an object that does not exist: what would start on its
// own waits.
func (w *work) newborn(item *Item) (map[string]any, []transform.Note, error) {
	body, notes, err := w.wanted(item)
	if err == nil && transform.Suspend(body) && item.Entry.Kind == "Job" {
		notes = append(notes, transform.Note{Code: transform.CodeJobSuspended,
			Message: "it was running when the backup was made and is restored suspended: starting it may repeat what it had done"})
	}
	return body, notes, err
}

func (w *work) create(ctx context.Context, item *Item) (outcome, error) {
	body, notes, err := w.newborn(item)
	if err != nil {
		return outcome{}, err
	}
	w.linkEarly(item, body)
	var trouble Reason
	if item.Fill != nil {
		if trouble, err = w.prepareFill(ctx, item, body); err != nil {
			return outcome{}, err
		}
	}
	ctx, heard := listen(ctx)
	made, err := w.cluster.create(ctx, item.Target, item.Resource, body)
	if portTaken(err) && transform.DropNodePorts(body) {
		notes = append(notes, transform.Note{Code: codeNodePorts, Message: "its node port is taken here; it got another"})
		made, err = w.cluster.create(ctx, item.Target, item.Resource, body)
	}
	if apierrors.IsAlreadyExists(err) {
		return w.appeared(ctx, item)
	}
	if err != nil {
		return outcome{}, err
	}
	w.uids.set(item.Entry.UID, string(made.GetUID()))
	return madeOutcome(item, trouble, append(notes, pruned(heard.texts)...)), nil
}

// madeOutcome is the outcome of an object that this restore created. A claim
// that cannot be filled counts as failed.
func madeOutcome(item *Item, trouble Reason, notes []transform.Note) outcome {
	if trouble.Code != "" {
		return outcome{action: agentv1.ItemFailed, reason: trouble, notes: notes}
	}
	return outcome{action: agentv1.ItemCreated, reason: item.Reason, notes: notes}
}

// pruned turns the server's warnings about unknown fields into a note.
func pruned(texts []string) []transform.Note {
	var fields []string
	for _, text := range texts {
		if rest, ok := strings.CutPrefix(text, "unknown field "); ok {
			fields = append(fields, rest)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return []transform.Note{{Code: codePruned, Message: "this cluster does not know and dropped " + strings.Join(fields, ", ")}}
}

// appeared handles an object that was not there when the plan was made: its
// controller was faster, or an answer was lost on the way and it is our own.
func (w *work) appeared(ctx context.Context, item *Item) (outcome, error) {
	found, err := w.cluster.get(ctx, item.Target, item.Resource)
	if err != nil {
		return outcome{}, err
	}
	object := observed(metaOf(found), w.run.Since)
	again := *item
	again.Reason = Reason{}
	(&planner{restore: w.run.Spec}).conflict(&again, object)
	w.uids.set(item.Entry.UID, object.UID)
	switch again.Action {
	case Resume:
		again.Reason = item.Reason
	case Skip:
		return outcome{action: agentv1.ItemSkipped, reason: again.Reason}, nil
	}
	return w.once(ctx, &again)
}

// resume goes on with an object that an interrupted attempt created.
func (w *work) resume(ctx context.Context, item *Item) (outcome, error) {
	var trouble Reason
	var err error
	if item.Fill != nil {
		if trouble, err = w.resumeFill(ctx, item); err != nil {
			return outcome{}, err
		}
	}
	_, notes, err := w.newborn(item) // the same notes as the first time
	if err != nil {
		return outcome{}, err
	}
	return madeOutcome(item, trouble, notes), nil
}

// patch sets the mutable fields that differ.
func (w *work) patch(ctx context.Context, item *Item) (outcome, error) {
	body, notes, err := w.wanted(item)
	if err != nil {
		return outcome{}, err
	}
	found, err := w.cluster.get(ctx, item.Target, item.Resource)
	if err != nil {
		return outcome{}, err
	}
	version, meta := found.GetResourceVersion(), metaOf(found)
	transform.Rules{}.Apply(found.Object)
	return w.send(ctx, item, version, observed(meta, w.run.Since), transform.PatchTo(found.Object, body), notes)
}

// mergeAccount adds to a service account what it lacks, under any policy.
func (w *work) mergeAccount(ctx context.Context, item *Item) (outcome, error) {
	body, notes, err := w.wanted(item)
	if err != nil {
		return outcome{}, err
	}
	found, err := w.cluster.get(ctx, item.Target, item.Resource)
	if err != nil {
		return outcome{}, err
	}
	return w.send(ctx, item, found.GetResourceVersion(), observed(metaOf(found), w.run.Since),
		transform.MergeAccount(found.Object, body), notes)
}

// send sends a patch, if there is one. An object that this run has patched
// before counts as patched, and one that did not change as unchanged.
func (w *work) send(ctx context.Context, item *Item, version string, seen Object, patch map[string]any, notes []transform.Note) (outcome, error) {
	unchanged := outcome{action: agentv1.ItemUnchanged, reason: item.Reason, notes: notes}
	if seen.Changed {
		unchanged.action = agentv1.ItemPatched
	}
	if patch == nil {
		return unchanged, nil
	}
	patched, err := w.cluster.merge(ctx, item.Target, item.Resource, version, patch)
	if err != nil {
		return outcome{}, err
	}
	if patched.GetResourceVersion() == version {
		return unchanged, nil
	}
	return outcome{action: agentv1.ItemPatched, reason: item.Reason, notes: notes}, nil
}

// retryRefused tries once more what was refused, now that everything else is
// there: a webhook's backend, a quota, the other half of a cycle. What may
// pass is tried until it does or patience ends.
func (w *work) retryRefused(ctx context.Context, stages []Stage) error {
	end := w.deps.Clock.Now().Add(w.patience.Refused)
	for wait := w.patience.Poll; ; wait = min(2*wait, 10*time.Second) {
		refused := w.tally.refused(stages)
		if len(refused) == 0 {
			return nil
		}
		if err := w.each(ctx, refused, func(ctx context.Context, item *Item) {
			result := w.apply(ctx, item)
			result.again = result.again && result.transient
			w.tally.set(item, result)
		}); err != nil {
			return fmt.Errorf("try again what was refused: %w", err)
		}
		if err := w.awaitVolumes(ctx, refused); err != nil {
			return err
		}
		if w.deps.Clock.Now().After(end) || !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// sleep waits and says whether the context is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
