package restore

import (
	"context"
	"fmt"
	"slices"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// until looks again and again until done, patience or the context ends. It
// says whether it was done.
func (w *work) until(ctx context.Context, patience time.Duration, done func(context.Context) (bool, error)) (bool, error) {
	end := w.deps.Clock.Now().Add(patience)
	for {
		ok, err := done(ctx)
		if ok || err != nil && !transient(err) {
			return ok, err
		}
		if !w.deps.Clock.Now().Before(end) {
			return false, nil
		}
		if !sleep(ctx, w.patience.Poll) {
			return false, ctx.Err()
		}
	}
}

// retry repeats a request that may succeed a little later.
func retry(ctx context.Context, do func() error) error {
	wait := 100 * time.Millisecond
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == 6 || !transient(err) || !sleep(ctx, wait) {
			return err
		}
		wait *= 2
	}
}

// awaitNamespaces waits until target namespaces that are being deleted are
// gone: whatever was created in them would be deleted too. A dry run does not
// wait; it plans with what will be left.
func (w *work) awaitNamespaces(ctx context.Context) error {
	names := map[string]bool{}
	for _, entry := range w.archive.Entries {
		if entry.Namespace != "" {
			names[w.rules.Namespace(entry.Namespace)] = true
		}
	}
	for name := range names {
		ref := Ref{Version: "v1", Kind: "Namespace", Name: name}
		gone, err := w.until(ctx, w.patience.Namespace, func(ctx context.Context) (bool, error) {
			space, err := w.cluster.get(ctx, ref, "namespaces")
			if isGone(err) {
				return true, nil
			}
			if err != nil {
				return false, err
			}
			return space.GetDeletionTimestamp() == nil || w.run.DryRun, nil
		})
		if err != nil {
			return err
		}
		if !gone {
			return &agentv1.Problem{Code: CodeNamespaceTerminating, Target: name, Retryable: true, Message: fmt.Sprintf(
				"The namespace %s is being deleted and was not gone after %s.", name, w.patience.Namespace),
				Actions: []string{"Find out which finalizer holds the namespace, or restore under another name."}}
		}
	}
	return nil
}

// CodeNamespaceTerminating is the code of a restore into a namespace that is
// being deleted and does not go.
const CodeNamespaceTerminating = "UserErrorNamespaceTerminating"

// awaitDefinitions waits until the definitions that were created are
// established and their kinds served.
func (w *work) awaitDefinitions(ctx context.Context, items []*Item) error {
	var made []*Item
	for _, item := range items {
		if w.tally.get(item).action == agentv1.ItemCreated {
			made = append(made, item)
		}
	}
	if len(made) == 0 {
		return nil
	}
	_, err := w.until(ctx, w.patience.Definition, func(ctx context.Context) (bool, error) {
		made = slices.DeleteFunc(made, func(item *Item) bool { return w.established(ctx, item) })
		if len(made) > 0 {
			return false, nil
		}
		kinds, err := w.cluster.readKinds(ctx)
		if err != nil {
			return false, err
		}
		w.live.Kinds = kinds
		return w.allServed(items), nil
	})
	w.rules.KeepFinalizer = w.live.keepFinalizer
	return err
}

func (w *work) established(ctx context.Context, item *Item) bool {
	found, err := w.cluster.get(ctx, item.Target, item.Resource)
	if err != nil {
		return false
	}
	for _, c := range list(found.Object, "status", "conditions") {
		condition, _ := c.(map[string]any)
		if condition["type"] == "Established" && condition["status"] == "True" {
			return true
		}
	}
	return false
}

func (w *work) allServed(items []*Item) bool {
	for _, item := range items {
		d := item.Entry.Facts.Definition
		if d == nil || w.tally.get(item).action != agentv1.ItemCreated {
			continue
		}
		for _, version := range d.Versions {
			if !w.live.Kinds[d.Group+"/"+d.Kind].serves(version) {
				return false
			}
		}
	}
	return true
}
