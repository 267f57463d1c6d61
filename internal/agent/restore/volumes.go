package restore

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// A claim is filled from a stored snapshot through a VolumeSnapshotContent
// that was made by hand and a VolumeSnapshot bound to it, both helpers of one
// operation. The claim names the VolumeSnapshot as its data source, gets a new
// volume, and the helpers go as soon as it is bound; the stored snapshot stays
// (Retain). The claim's dataSource field is immutable and keeps the name of a
// VolumeSnapshot that is gone.
//
// A class that waits for its first consumer makes no volume before a pod is
// scheduled, but the workload must not start before its data is there. So the
// claim is told a node in the annotation that the scheduler would write.

// fillPlace finds out where a claim's volume will be made. trouble is why it
// cannot be; the claim is then created nevertheless and stays unbound, because
// a StatefulSet would replace a claim that is missing by an empty one.
func (w *work) fillPlace(ctx context.Context, item *Item) (node string, trouble Reason, err error) {
	class, err := w.cluster.get(ctx, Ref{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass", Name: item.Entry.Facts.Class}, "storageclasses")
	if isGone(err) || item.Entry.Facts.Class == "" {
		return "", Reason{Code: codeClassMissing, Warn: true, Message: fmt.Sprintf(
			"this cluster has no storage class %q; the claim waits unbound", item.Entry.Facts.Class)}, nil
	}
	if err != nil {
		return "", Reason{}, err
	}
	if text(class.Object, "volumeBindingMode") != "WaitForFirstConsumer" {
		return "", Reason{}, nil
	}
	node, err = w.chooseNode(ctx, item, 0)
	if err == nil && node == "" {
		trouble = Reason{Code: codeNoNode, Warn: true, Message: "no ready node of this cluster can run what mounts it; the claim waits unbound"}
	}
	return node, trouble, err
}

// codeNoNode is the code of a claim for which no node was found.
const codeNoNode = "NoNodeForVolume"

// prepareFill makes the helpers and points a claim at them.
func (w *work) prepareFill(ctx context.Context, item *Item, body map[string]any) (Reason, error) {
	node, trouble, err := w.fillPlace(ctx, item)
	if err != nil {
		return Reason{}, err
	}
	if trouble.Code == "" && item.Fill.Stream == "" {
		if err := w.makeHelpers(ctx, item); err != nil {
			return Reason{}, err
		}
	}
	least := max(item.Fill.SizeBytes, item.Fill.RestoreSizeBytes)
	if item.Fill.Stream != "" {
		return trouble, transform.BindClaim(body, w.run.Loader.VolumeName(item.Target), least)
	}
	return trouble, transform.FillClaim(body, helperName(w.run.ID, item.Target), node, least)
}

// resumeFill goes on with a claim that an interrupted attempt created.
func (w *work) resumeFill(ctx context.Context, item *Item) (Reason, error) {
	found, err := w.cluster.get(ctx, item.Target, item.Resource)
	if err != nil {
		return Reason{}, err
	}
	// Another restore that runs at the same time bears the same name and may
	// have made it, from other data.
	if !w.sourceIsOurs(item, found.Object) {
		return Reason{Code: codeNoData, Warn: true, Message: "another restore created it at the same time: its data is not this recovery point's"}, nil
	}
	if bound(found.Object) {
		return Reason{}, nil
	}
	_, trouble, err := w.fillPlace(ctx, item)
	if err != nil || trouble.Code != "" || item.Fill.Stream != "" {
		return trouble, err
	}
	return Reason{}, w.makeHelpers(ctx, item)
}

// sourceIsOurs says whether a claim gets its data from this very operation.
func (w *work) sourceIsOurs(item *Item, claim map[string]any) bool {
	if item.Fill.Stream != "" {
		return text(claim, "spec", "volumeName") == w.run.Loader.VolumeName(item.Target)
	}
	return text(claim, "spec", "dataSource", "name") == helperName(w.run.ID, item.Target)
}

func bound(claim map[string]any) bool { return text(claim, "status", "phase") == "Bound" }

// claimsPutOff are the claims with data that the server was too busy to take.
// They cannot wait until everything else is there: a StatefulSet would make
// them, empty.
func (w *work) claimsPutOff(stage Stage) []Stage {
	put := Stage{Order: stage.Order}
	for _, item := range stage.Items {
		if o := w.tally.get(item); item.Fill != nil && o.again && o.transient {
			put.Items = append(put.Items, item)
		}
	}
	return []Stage{put}
}

// awaitVolumes waits until the claims that were created are filled and bound,
// each with its own patience, and removes their helpers.
func (w *work) awaitVolumes(ctx context.Context, items []*Item) error {
	var waiting []*Item
	for _, item := range items {
		switch o := w.tally.get(item); {
		case item.Fill == nil:
		case o.action == agentv1.ItemCreated && !o.filled:
			waiting = append(waiting, item)
		case !o.again:
			w.say.settled(item)
		}
	}
	return w.each(ctx, waiting, func(ctx context.Context, item *Item) {
		o := w.tally.get(item)
		switch filled, err := w.fillClaim(ctx, item); {
		case filled:
			o.filled = true
		case ctx.Err() != nil:
			return
		default:
			o.action = agentv1.ItemFailed
			o.reason = Reason{Code: codeVolumeFailed, Warn: true, Message: w.whyUnbound(ctx, item, err)}
		}
		w.tally.set(item, o)
		w.say.settled(item)
	})
}

// fillClaim brings the data of a claim, or waits until its driver has.
func (w *work) fillClaim(ctx context.Context, item *Item) (bool, error) {
	if item.Fill.Stream == "" {
		return w.awaitClaim(ctx, item)
	}
	node, _, err := w.fillPlace(ctx, item)
	if err != nil {
		return false, err
	}
	err = w.run.Loader.Load(ctx, Load{Claim: item.Target, Volume: *item.Fill, Node: node}, func(p agentv1.Progress) { w.say.loaded(item, p) })
	if err != nil {
		return false, err
	}
	return w.until(ctx, w.patience.Volume, func(ctx context.Context) (bool, error) {
		claim, err := w.cluster.get(ctx, item.Target, item.Resource)
		return err == nil && bound(claim.Object), err
	})
}

func (w *work) awaitClaim(ctx context.Context, item *Item) (bool, error) {
	tries := 0
	filled, err := w.until(ctx, w.patience.Volume, func(ctx context.Context) (bool, error) {
		claim, err := w.cluster.get(ctx, item.Target, item.Resource)
		if err != nil || bound(claim.Object) {
			return err == nil, err
		}
		// A provisioner that cannot make the volume on the node takes the
		// annotation away and waits for another choice.
		class := Ref{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass", Name: item.Entry.Facts.Class}
		if _, chosen := claim.GetAnnotations()[transform.SelectedNode]; chosen || !w.waitingClass(ctx, class) {
			return false, nil
		}
		tries++
		node, err := w.chooseNode(ctx, item, tries)
		if err != nil || node == "" {
			return false, err
		}
		_, err = w.cluster.merge(ctx, item.Target, item.Resource, claim.GetResourceVersion(),
			map[string]any{"metadata": map[string]any{"annotations": map[string]any{transform.SelectedNode: node}}})
		return false, err
	})
	if filled {
		err = w.removeHelpers(ctx, item)
	}
	return filled, err
}

func (w *work) waitingClass(ctx context.Context, class Ref) bool {
	found, err := w.cluster.get(ctx, class, "storageclasses")
	return err == nil && text(found.Object, "volumeBindingMode") == "WaitForFirstConsumer"
}

// whyUnbound collects what the storage side said about a claim.
func (w *work) whyUnbound(ctx context.Context, item *Item, err error) string {
	said := []string{fmt.Sprintf("its volume was not filled within %s", w.patience.Volume)}
	if err != nil {
		said = append(said, err.Error())
	}
	_, snapshot := helpers(w.run.ID, item)
	if found, err := w.cluster.get(ctx, snapshot, snapshotResource); err == nil {
		if message := text(found.Object, "status", "error", "message"); message != "" {
			said = append(said, "the snapshot says: "+message)
		}
	}
	events, err := w.cluster.at(Ref{Version: "v1", Namespace: item.Target.Namespace}, "events").List(ctx, metav1.ListOptions{
		FieldSelector: "type=Warning,involvedObject.kind=PersistentVolumeClaim,involvedObject.name=" + item.Target.Name, Limit: 20})
	if err == nil && len(events.Items) > 0 {
		said = append(said, "the last event says: "+text(events.Items[len(events.Items)-1].Object, "message"))
	}
	return strings.Join(said, "; ")
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
