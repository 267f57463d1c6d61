package snapshot

import (
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Codes of volumes that are not protected, spelled as Azure Backup does where
// it has one.
const (
	CodeExcluded            = "UserVolumeExcluded" // asked for by the user: no warning
	CodeClaimHasNoVolume    = "UserErrorPVCHasNoVolume"
	CodeClaimGoing          = "UserErrorPVCTerminating"
	CodeClaimNotBound       = "UserErrorPVCNotBoundToVolume"
	CodeVolumeNotFound      = "UserErrorPVNotFound"
	CodeStorageClassMissing = "UserErrorStorageClassMissingForPVC"
	CodeTypeNotSupported    = "UserErrorVolumeTypeNotSupported"
	CodeClassMissing        = "UserErrorVolumeSnapshotClassMissing"
	CodeClassAmbiguous      = "UserErrorVolumeSnapshotClassAmbiguous"
	CodeClassMismatch       = "UserErrorVolumeSnapshotClassInvalid"
	CodeTimedOut            = "CSISnapshottingTimedOut"
	CodeDisallowed          = "UserErrorPVSnapshotDisallowedByPolicy"
	CodeLimitReached        = "UserErrorPVSnapshotLimitReached"
	CodeFailed              = "KubernetesBackupGenericWarning"
)

var actions = map[string]string{
	CodeClaimHasNoVolume:    "Attach a volume to the claim.",
	CodeClaimGoing:          "Wait until the claim is gone, or copy its data to another claim while its pods run.",
	CodeClaimNotBound:       "Attach a volume to the claim, for example by starting the pod that uses it.",
	CodeVolumeNotFound:      "Attach a volume that exists.",
	CodeStorageClassMissing: "Name a storage class in the claim and its volume.",
	CodeTypeNotSupported:    "Move the data to a volume of a CSI driver that takes snapshots.",
	CodeClassMissing:        "Install the snapshot definitions and a VolumeSnapshotClass for the volume's driver.",
	CodeClassAmbiguous:      "Mark one VolumeSnapshotClass of the driver as default, or name one in the claim's annotation " + ClassAnnotation + ".",
	CodeClassMismatch:       "Name a VolumeSnapshotClass of the volume's driver in the claim's annotation.",
	CodeTimedOut:            "Check the CSI driver and back up again, or wait for the next scheduled backup.",
	CodeDisallowed:          "Remove the policy that forbids snapshots and back up again.",
	CodeLimitReached:        "Lower the retention or wait until older snapshots expire.",
	CodeFailed:              "Read the reason, mend it, and back up again.",
}

// Warnings names every volume that is not protected, except those that the user
// left out.
func Warnings(volumes []agentv1.Volume) []agentv1.Warning {
	var warnings []agentv1.Warning
	for _, v := range volumes {
		if v.State != agentv1.VolumeSkipped || v.ReasonCode == CodeExcluded {
			continue
		}
		resource := "PersistentVolumeClaim " + v.Namespace + "/" + v.Claim
		warnings = append(warnings, agentv1.Warning{Resource: resource, Problem: agentv1.Problem{
			Code: v.ReasonCode, Message: v.Reason, Target: resource, Actions: []string{actions[v.ReasonCode]},
		}})
	}
	return warnings
}

// skipped is v, not protected for this reason.
func skipped(v agentv1.Volume, code, reason string) agentv1.Volume {
	v.State, v.ReasonCode, v.Reason = agentv1.VolumeSkipped, code, reason
	v.SnapshotHandle = ""
	return v
}

// permanent recognizes errors of drivers that no waiting will mend.
func permanent(message string) (code string, is bool) {
	lower := strings.ToLower(message)
	switch {
	case strings.Contains(lower, "disallowedbypolicy"):
		return CodeDisallowed, true
	case strings.Contains(lower, "snapshotcountexceeded"), strings.Contains(lower, "snapshotlimit"),
		strings.Contains(lower, "maximum number of snapshots"), strings.Contains(lower, "resourceexhausted"):
		return CodeLimitReached, true
	}
	return "", false
}
