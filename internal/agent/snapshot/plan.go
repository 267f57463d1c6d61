package snapshot

import (
	"cmp"
	"fmt"
	"slices"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// ExcludeMark leaves a claim's data out of backups when the claim has it as an
// annotation or a label with the value "true". The claim itself is kept and restored empty.
const ExcludeMark = "velero.io/exclude-from-backup"

// migratedTo is set on volumes of a type built into Kubernetes that a CSI
// driver serves today.
const migratedTo = "pv.kubernetes.io/migrated-to"

// Item is what is planned for one claim: a snapshot where Volume.State is
// Protected, nothing where it is Skipped.
type Item struct {
	Volume  agentv1.Volume
	UID     types.UID // of the claim
	Content string    // name of the snapshot's content, once cut
}

// Facts is what a plan is made from.
type Facts struct {
	Claims  []corev1.PersistentVolumeClaim
	Volumes []corev1.PersistentVolume // those the claims name, at least
	Classes []snapshotv1.VolumeSnapshotClass
}

// Plan decides for every claim whether and how it is snapshotted, in the order
// of namespaces and names. Those that live with a pod are passed over.
func Plan(facts Facts) []Item {
	volumes := map[string]*corev1.PersistentVolume{}
	for i := range facts.Volumes {
		volumes[facts.Volumes[i].Name] = &facts.Volumes[i]
	}
	var items []Item
	for _, claim := range facts.Claims {
		if livesWithPod(claim) {
			continue
		}
		items = append(items, Item{UID: claim.UID, Volume: plan(claim, volumes[claim.Spec.VolumeName], facts.Classes)})
	}
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Volume.Namespace, b.Volume.Namespace), cmp.Compare(a.Volume.Claim, b.Volume.Claim))
	})
	return items
}

func plan(claim corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume, classes []snapshotv1.VolumeSnapshotClass) agentv1.Volume {
	v := describe(claim, volume)
	name := claim.Namespace + "/" + claim.Name
	switch {
	case claim.Annotations[ExcludeMark] == "true" || claim.Labels[ExcludeMark] == "true":
		return skipped(v, CodeExcluded, "The claim is marked with "+ExcludeMark+".")
	case claim.DeletionTimestamp != nil: // its pods may use it for a long time yet
		return skipped(v, CodeClaimGoing, fmt.Sprintf("The claim %s is being deleted.", name))
	case claim.Status.Phase == corev1.ClaimPending:
		return skipped(v, CodeClaimNotBound, fmt.Sprintf("The claim %s is not bound to a volume.", name))
	case claim.Spec.VolumeName == "":
		return skipped(v, CodeClaimHasNoVolume, fmt.Sprintf("The claim %s has no volume.", name))
	case volume == nil || claim.Status.Phase == corev1.ClaimLost:
		return skipped(v, CodeVolumeNotFound, fmt.Sprintf("The volume %s of the claim %s does not exist.", claim.Spec.VolumeName, name))
	case volume.Spec.CSI == nil:
		return skipped(v, CodeTypeNotSupported, unsupported(volume, name))
	case v.StorageClass == "":
		return skipped(v, CodeStorageClassMissing, fmt.Sprintf("Neither the claim %s nor its volume names a storage class.", name))
	}
	class, refused := chooseClass(claim.Annotations, v.Driver, classes)
	if refused != nil {
		return skipped(v, refused.code, refused.reason)
	}
	v.State, v.SnapshotClass = agentv1.VolumeProtected, class
	return v
}

func describe(claim corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) agentv1.Volume {
	v := agentv1.Volume{
		Namespace:  claim.Namespace,
		Claim:      claim.Name,
		ClaimUID:   string(claim.UID),
		VolumeMode: string(corev1.PersistentVolumeFilesystem),
	}
	if claim.Spec.VolumeMode != nil {
		v.VolumeMode = string(*claim.Spec.VolumeMode)
	}
	if claim.Spec.StorageClassName != nil {
		v.StorageClass = *claim.Spec.StorageClassName
	}
	if volume == nil {
		return v
	}
	v.StorageClass = cmp.Or(v.StorageClass, volume.Spec.StorageClassName)
	capacity := volume.Spec.Capacity[corev1.ResourceStorage]
	v.SizeBytes = capacity.Value()
	if csi := volume.Spec.CSI; csi != nil {
		v.Driver, v.FSType, v.VolumeHandle = csi.Driver, csi.FSType, csi.VolumeHandle
	}
	return v
}

// unsupported tells why a volume that no CSI driver made cannot be snapshotted.
// A type built into Kubernetes may be served by a CSI driver today, but the
// snapshot controller refuses it all the same.
func unsupported(volume *corev1.PersistentVolume, claim string) string {
	source := "built into Kubernetes"
	switch {
	case volume.Spec.HostPath != nil:
		source = "hostPath"
	case volume.Spec.Local != nil:
		source = "local"
	case volume.Spec.NFS != nil:
		source = "nfs"
	case volume.Annotations[migratedTo] != "":
		source = "built into Kubernetes, though served by " + volume.Annotations[migratedTo]
	}
	return fmt.Sprintf("The volume %s of the claim %s is of a type without snapshots (%s).", volume.Name, claim, source)
}

// livesWithPod says whether a claim is a generic ephemeral volume: its pod owns
// it and makes it anew.
func livesWithPod(claim corev1.PersistentVolumeClaim) bool {
	return slices.ContainsFunc(claim.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == "Pod" })
}
