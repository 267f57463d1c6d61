package controller

import (
	"slices"
	"strconv"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/repo"
)

// Facts of a manifest and of its volumes.
const (
	factNamespaces    = "namespaces"  // comma separated
	factBytesStored   = "bytesStored" // decimal
	factSnapshotClass = "snapshotClass"
	factVolumeHandle  = "volumeHandle"
	factClaimUID      = "claimUid"
)

// manifest describes the recovery point.
func (b *backup) manifest(bytesStored int64) repo.Manifest {
	m := repo.Manifest{
		ID:       b.spec.RecoveryPointID,
		Created:  cutMoment(b.volumes(), b.startedAt),
		Instance: b.spec.InstanceID,
		Streams:  []repo.StreamRef{b.stream},
		Facts: map[string]string{
			factNamespaces:  strings.Join(b.namespaces, ","),
			factBytesStored: strconv.FormatInt(bytesStored, 10),
		},
	}
	if b.spec.Keep != "" {
		m.Facts[agentv1.FactKept] = b.spec.Keep
	}
	for _, v := range b.volumes() {
		m.Volumes = append(m.Volumes, storedVolume(v))
	}
	for _, k := range b.collected.Kinds {
		m.Kinds = append(m.Kinds, repo.Kind{Group: k.Group, Version: k.Version, Kind: k.Kind, Resource: k.Name,
			Namespaced: k.Namespaced, Objects: k.Objects, ResourceVersion: strings.Join(k.Revisions, ",")})
	}
	for _, w := range b.journal.listWarnings() {
		m.Warnings = append(m.Warnings, storedWarning(w))
	}
	return m
}

// cutMoment is the moment a recovery point stands for: when the first of its
// volumes was cut, or when its objects were read if it has none.
func cutMoment(volumes []agentv1.Volume, collected time.Time) time.Time {
	moment := collected
	for _, v := range volumes {
		if v.State == agentv1.VolumeProtected && !v.CutAt.IsZero() && v.CutAt.Before(moment) {
			moment = v.CutAt
		}
	}
	return moment
}

// resultOf is what a recovery point's manifest says to the service.
func resultOf(m repo.Manifest) *agentv1.BackupResult {
	result := &agentv1.BackupResult{
		RecoveryPointID: m.ID,
		CutAt:           m.Created,
		Root:            m.Root,
		Namespaces:      []string{},
		Volumes:         volumesOf(m),
	}
	if names := m.Facts[factNamespaces]; names != "" {
		result.Namespaces = strings.Split(names, ",")
		slices.Sort(result.Namespaces)
	}
	result.BytesStored, _ = strconv.ParseInt(m.Facts[factBytesStored], 10, 64) // other writers may not tell
	for _, s := range m.Streams {
		if s.Type == repo.TypeArchive {
			result.Objects += s.Records
		}
	}
	return result
}

func storedWarning(w agentv1.Warning) repo.Warning {
	return repo.Warning{Resource: w.Resource, Code: w.Problem.Code, Message: w.Problem.Message, Actions: w.Problem.Actions}
}

func warningsOf(m repo.Manifest) []agentv1.Warning {
	warnings := make([]agentv1.Warning, len(m.Warnings))
	for i, w := range m.Warnings {
		warnings[i] = agentv1.Warning{Resource: w.Resource,
			Problem: agentv1.Problem{Code: w.Code, Message: w.Message, Target: w.Resource, Actions: w.Actions}}
	}
	return warnings
}

// volumesOf are the volumes of a recovery point as the agent protocol has them.
func volumesOf(m repo.Manifest) []agentv1.Volume {
	volumes := make([]agentv1.Volume, len(m.Volumes))
	for i, v := range m.Volumes {
		state := agentv1.VolumeSkipped
		if v.Protected {
			state = agentv1.VolumeProtected
		}
		volumes[i] = agentv1.Volume{
			Namespace: v.Namespace, Claim: v.Claim, State: state, ReasonCode: v.ReasonCode, Reason: v.Reason,
			Driver: v.Driver, SnapshotHandle: v.SnapshotHandle, SnapshotClass: v.Facts[factSnapshotClass],
			VolumeHandle: v.Facts[factVolumeHandle], ClaimUID: v.Facts[factClaimUID], Stream: v.Stream,
			StorageClass: v.StorageClass, VolumeMode: v.VolumeMode, FSType: v.FSType,
			SizeBytes: v.SizeBytes, RestoreSizeBytes: v.RestoreSizeBytes, CutAt: v.CutAt,
		}
	}
	return volumes
}

func storedVolume(v agentv1.Volume) repo.Volume {
	stored := repo.Volume{
		Namespace: v.Namespace, Claim: v.Claim, Protected: v.State == agentv1.VolumeProtected,
		ReasonCode: v.ReasonCode, Reason: v.Reason, Driver: v.Driver, SnapshotHandle: v.SnapshotHandle,
		StorageClass: v.StorageClass, VolumeMode: v.VolumeMode, FSType: v.FSType,
		SizeBytes: v.SizeBytes, RestoreSizeBytes: v.RestoreSizeBytes, CutAt: v.CutAt, Stream: v.Stream,
	}
	for name, value := range map[string]string{factSnapshotClass: v.SnapshotClass, factVolumeHandle: v.VolumeHandle, factClaimUID: v.ClaimUID} {
		if value == "" {
			continue
		}
		if stored.Facts == nil {
			stored.Facts = map[string]string{}
		}
		stored.Facts[name] = value
	}
	return stored
}
