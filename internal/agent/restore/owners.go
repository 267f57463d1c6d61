package restore

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// An owner reference with a stale UID is accepted by the server, and then the
// garbage collector deletes the object. So objects are created with references
// to owners whose new UID is known already, and the rest is linked when
// everything exists.

// linkEarly sets the owner references of an object about to be created, when
// all its owners are there.
func (w *work) linkEarly(item *Item, body map[string]any) {
	references, missing := w.references(item)
	if len(references) > 0 && len(missing) == 0 {
		child(body, "metadata")["ownerReferences"] = references
	}
}

// references builds the references whose new UID is known, and returns the
// owners for which it is not.
func (w *work) references(item *Item) (known []any, missing []Owner) {
	for _, owner := range item.Entry.Owners {
		target, planned := w.uids.target[owner.UID]
		uid, exists := w.uids.get(owner.UID)
		if !exists || planned && target.Namespace != "" && target.Namespace != item.Target.Namespace {
			missing = append(missing, owner)
			continue
		}
		known = append(known, reference(owner, uid))
	}
	return known, missing
}

func reference(owner Owner, uid string) map[string]any {
	r := map[string]any{"apiVersion": owner.APIVersion, "kind": owner.Kind, "name": owner.Name, "uid": uid}
	if owner.Controller {
		r["controller"] = true
	}
	if owner.Block {
		r["blockOwnerDeletion"] = true
	}
	return r
}

// linkOwners is the second pass over every object that this restore created.
func (w *work) linkOwners(ctx context.Context) error {
	var owned []*Item
	for _, item := range w.tally.items(w.stages, agentv1.ItemCreated) {
		if len(item.Entry.Owners) > 0 {
			owned = append(owned, item)
		}
	}
	err := w.each(ctx, owned, func(ctx context.Context, item *Item) {
		if err := retry(ctx, func() error { return w.link(ctx, item) }); err != nil {
			w.tally.note(item, transform.Note{Code: codeOwnerMissing, Message: "its owner could not be set: " + err.Error()})
		}
	})
	if err != nil {
		return fmt.Errorf("link owners: %w", err)
	}
	return nil
}

func (w *work) link(ctx context.Context, item *Item) error {
	known, missing := w.references(item)
	for _, owner := range missing {
		uid, err := w.findOwner(ctx, item, owner)
		if err != nil {
			return err
		}
		if uid == "" {
			w.tally.note(item, transform.Note{Code: codeOwnerMissing, Message: fmt.Sprintf(
				"its owner %s %s was not restored and does not exist; it belongs to nobody now", owner.Kind, owner.Name)})
			continue
		}
		known = append(known, reference(owner, uid))
	}
	if len(known) == 0 {
		return nil
	}
	return w.setOwners(ctx, item, known)
}

// findOwner looks in the cluster for an owner that the restore is not about:
// in the namespace of what it owns, or cluster-wide.
func (w *work) findOwner(ctx context.Context, item *Item, owner Owner) (uid string, err error) {
	if _, planned := w.uids.target[owner.UID]; planned {
		return "", nil // it failed, or lies in another namespace now
	}
	group, version, _ := strings.Cut(owner.APIVersion, "/")
	if version == "" {
		group, version = "", group
	}
	kind, served := w.live.Kinds[group+"/"+owner.Kind]
	if !served || !kind.serves(version) {
		return "", nil
	}
	ref := Ref{Group: group, Version: version, Kind: owner.Kind, Name: owner.Name}
	if kind.Namespaced {
		ref.Namespace = item.Target.Namespace
	}
	found, err := w.cluster.get(ctx, ref, kind.Resource)
	if isGone(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return string(found.GetUID()), nil
}

// setOwners adds the references that the object lacks. A controller may have
// adopted it meanwhile, so what is there stays.
func (w *work) setOwners(ctx context.Context, item *Item, wanted []any) error {
	found, err := w.cluster.get(ctx, item.Target, item.Resource)
	if err != nil {
		return err
	}
	current := list(found.Object, "metadata", "ownerReferences")
	uids, controlled := map[string]bool{}, metav1.GetControllerOf(found) != nil
	for _, r := range current {
		owner, _ := r.(map[string]any)
		uids[text(owner, "uid")] = true
	}
	merged := current
	for _, r := range wanted {
		owner, _ := r.(map[string]any)
		if uids[text(owner, "uid")] || controlled && owner["controller"] == true {
			continue
		}
		merged = append(merged, r)
	}
	if len(merged) == len(current) {
		return nil
	}
	_, err = w.cluster.merge(ctx, item.Target, item.Resource, found.GetResourceVersion(),
		map[string]any{"metadata": map[string]any{"ownerReferences": merged}})
	return err
}
