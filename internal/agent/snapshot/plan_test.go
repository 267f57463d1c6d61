package snapshot

import (
	"strings"
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// aClaim is bound to a CSI volume of class "fast"; edits change that.
func aClaim(edit func(*corev1.PersistentVolumeClaim, *corev1.PersistentVolume)) Facts {
	class := "fast"
	claim := corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data", UID: "1"},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: "pv", StorageClassName: &class},
		Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
	}
	volume := corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}}
	volume.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	volume.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: "d", FSType: "xfs"}
	edit(&claim, &volume)
	facts := Facts{Claims: []corev1.PersistentVolumeClaim{claim}, Classes: []snapshotv1.VolumeSnapshotClass{aClass("snap", "d", false)}}
	if volume.Name != "" {
		facts.Volumes = []corev1.PersistentVolume{volume}
	}
	return facts
}

func TestPlan(t *testing.T) {
	type pvc = corev1.PersistentVolumeClaim
	type pv = corev1.PersistentVolume
	for _, c := range []struct {
		name string
		edit func(*pvc, *pv)
		code string
		word string // in the reason
	}{
		{"good", func(*pvc, *pv) {}, "", ""},
		{"static with a class in the volume", func(c *pvc, v *pv) { c.Spec.StorageClassName = nil; v.Spec.StorageClassName = "s" }, "", ""},
		{"static without a class", func(c *pvc, v *pv) { c.Spec.StorageClassName = nil }, CodeStorageClassMissing, "ns/data"},
		{"excluded by annotation", func(c *pvc, _ *pv) { c.Annotations = map[string]string{ExcludeMark: "true"} }, CodeExcluded, ExcludeMark},
		{"excluded by label", func(c *pvc, _ *pv) { c.Labels = map[string]string{ExcludeMark: "true"} }, CodeExcluded, ExcludeMark},
		{"not excluded", func(c *pvc, _ *pv) { c.Labels = map[string]string{ExcludeMark: "false"} }, "", ""},
		{"being deleted", func(c *pvc, _ *pv) { now := metav1.Now(); c.DeletionTimestamp = &now }, CodeClaimGoing, "ns/data"},
		{"pending", func(c *pvc, v *pv) { c.Status.Phase = corev1.ClaimPending; c.Spec.VolumeName = ""; v.Name = "" }, CodeClaimNotBound, ""},
		{"no volume", func(c *pvc, _ *pv) { c.Spec.VolumeName = "" }, CodeClaimHasNoVolume, ""},
		{"volume gone", func(_ *pvc, v *pv) { v.Name = "" }, CodeVolumeNotFound, "pv"},
		{"volume lost", func(c *pvc, _ *pv) { c.Status.Phase = corev1.ClaimLost }, CodeVolumeNotFound, ""},
		{"hostPath", func(_ *pvc, v *pv) { v.Spec.CSI = nil; v.Spec.HostPath = &corev1.HostPathVolumeSource{} }, CodeTypeNotSupported, "hostPath"},
		{"local", func(_ *pvc, v *pv) { v.Spec.CSI = nil; v.Spec.Local = &corev1.LocalVolumeSource{} }, CodeTypeNotSupported, "local"},
		{"nfs", func(_ *pvc, v *pv) { v.Spec.CSI = nil; v.Spec.NFS = &corev1.NFSVolumeSource{} }, CodeTypeNotSupported, "nfs"},
		{"built in", func(_ *pvc, v *pv) { v.Spec.CSI = nil; v.Spec.AzureDisk = &corev1.AzureDiskVolumeSource{} }, CodeTypeNotSupported, "built into"},
		{"migrated", func(_ *pvc, v *pv) {
			v.Spec.CSI = nil
			v.Annotations = map[string]string{migratedTo: "disk.csi.azure.com"}
		}, CodeTypeNotSupported, "disk.csi.azure.com"},
		{"driver without class", func(_ *pvc, v *pv) { v.Spec.CSI.Driver = "other" }, CodeClassMissing, "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			items := Plan(aClaim(c.edit))
			if len(items) != 1 {
				t.Fatalf("%d items", len(items))
			}
			v := items[0].Volume
			if v.ReasonCode != c.code || !strings.Contains(v.Reason, c.word) || (c.code == "") != (v.State == agentv1.VolumeProtected) {
				t.Errorf("got %+v", v)
			}
			if c.code == "" && (v.Driver != "d" || v.SnapshotClass != "snap" || v.SizeBytes != 1<<30 || v.FSType != "xfs" || v.VolumeMode != "Filesystem" || v.StorageClass == "") {
				t.Errorf("got %+v", v)
			}
			warnings := Warnings([]agentv1.Volume{v})
			if want := c.code != "" && c.code != CodeExcluded; want != (len(warnings) == 1) {
				t.Errorf("warnings %+v", warnings)
			}
		})
	}
}

func TestPlanPassesOverWhatLivesWithAPod(t *testing.T) {
	items := Plan(aClaim(func(c *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume) {
		c.OwnerReferences = []metav1.OwnerReference{{Kind: "Pod"}}
	}))
	if len(items) != 0 {
		t.Errorf("planned %+v", items)
	}
}

func TestPlanIsOrdered(t *testing.T) {
	var facts Facts
	for _, at := range []string{"b/a", "a/b", "a/a"} {
		f := aClaim(func(c *corev1.PersistentVolumeClaim, _ *corev1.PersistentVolume) {
			c.Namespace, c.Name, _ = strings.Cut(at, "/")
		})
		facts.Claims, facts.Volumes, facts.Classes = append(facts.Claims, f.Claims...), f.Volumes, f.Classes
	}
	var got []string
	for _, item := range Plan(facts) {
		got = append(got, item.Volume.Namespace+"/"+item.Volume.Claim)
	}
	if strings.Join(got, " ") != "a/a a/b b/a" {
		t.Errorf("got %v", got)
	}
}
