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
func (r *Restorer) until(ctx context.Context, patience time.Duration, done func(context.Context) (bool, error)) (bool, error) {
	end := r.deps.Clock.Now().Add(patience)
	for wait := r.patience.Poll; ; wait = min(wait+wait/4, 5*time.Second) {
		ok, err := done(ctx)
		if ok || err != nil && !transient(err) {
			return ok, err
		}
		if !r.deps.Clock.Now().Before(end) {
			return false, nil
		}
		if !sleep(ctx, wait) {
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
// wait; it gets their names.
func (w *work) awaitNamespaces(ctx context.Context) (leaving map[string]bool, err error) {
	leaving = map[string]bool{}
	for name := range w.targetNamespaces() {
		terminating := false
		gone, err := w.until(ctx, w.patience.Namespace, func(ctx context.Context) (bool, error) {
			space, err := w.cluster.get(ctx, Ref{Version: "v1", Kind: "Namespace", Name: name}, "namespaces")
			if isGone(err) {
				return true, nil
			}
			if err != nil {
				return false, err
			}
			terminating = space.GetDeletionTimestamp() != nil
			return !terminating || w.run.DryRun, nil
		})
		if err != nil {
			return nil, err
		}
		if !gone {
			return nil, &agentv1.Problem{Code: CodeNamespaceTerminating, Target: name, Retryable: true, Message: fmt.Sprintf(
				"The namespace %s is being deleted and was not gone after %s.", name, w.patience.Namespace),
				Actions: []string{"Find out which finalizer holds the namespace, or restore under another name."}}
		}
		if terminating {
			leaving[name] = true
		}
	}
	return leaving, nil
}

func (w *work) targetNamespaces() map[string]bool {
	names := map[string]bool{}
	for _, entry := range w.archive.Entries {
		if entry.Namespace != "" && w.chosen.namespace(entry.Namespace) {
			names[w.rules.Namespace(entry.Namespace)] = true
		}
	}
	return names
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
