package controller

import (
	"fmt"
	"maps"
	"strconv"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/volume"
)

// Codes of volumes that a recovery point in the vault does not have.
const (
	CodeVaultTooLarge = "UserErrorVolumeTooLargeForVaultTier"
	CodeVaultTooMany  = "UserErrorTooManyVolumesForVaultTier"
	CodeVaultNoData   = "UserErrorVolumeDataUnreadable"
)

// vaultItem is one volume: to be moved while it is Protected and has no stream.
type vaultItem struct {
	volume agentv1.Volume
	base   *mover.Base
	before string // handle of the snapshot that base was read from, when changes since may be asked for
	stream *repo.StreamRef
}

// planVault decides which volumes are moved, and upon what each builds. Those
// that the operational recovery point does not protect stay as they are.
func planVault(volumes []agentv1.Volume, base *repo.Manifest, limits agentv1.VaultLimits) []vaultItem {
	items := make([]vaultItem, len(volumes))
	moved := 0
	for i, v := range volumes {
		items[i] = vaultItem{volume: v}
		if v.State != agentv1.VolumeProtected {
			continue
		}
		switch {
		case v.SnapshotHandle == "":
			items[i].leave(CodeVaultNoData, "The operational recovery point has no snapshot of it.")
		case limits.VolumeBytes > 0 && v.SizeBytes > limits.VolumeBytes:
			items[i].leave(CodeVaultTooLarge, fmt.Sprintf("Its %s are more than the %s that the vault takes of one volume.",
				volume.Bytes(v.SizeBytes), volume.Bytes(limits.VolumeBytes)))
		case limits.Volumes > 0 && moved >= limits.Volumes:
			items[i].leave(CodeVaultTooMany, fmt.Sprintf("The vault takes %d volumes of one recovery point.", limits.Volumes))
		default:
			moved++
			items[i].base, items[i].before = baseOf(v, base)
		}
	}
	return items
}

// leave says that the vault will not have the volume, and why.
func (i *vaultItem) leave(code, reason string) {
	i.volume.State, i.volume.ReasonCode, i.volume.Reason = agentv1.VolumeSkipped, code, reason
}

// baseOf finds the stream of the same volume in an earlier recovery point, and
// the snapshot it was read from. Whether that still exists, the driver says.
func baseOf(now agentv1.Volume, before *repo.Manifest) (base *mover.Base, handle string) {
	if before == nil {
		return nil, ""
	}
	for _, v := range volumesOf(*before) {
		if v.Namespace != now.Namespace || v.Claim != now.Claim || v.Stream == "" {
			continue
		}
		decision := volume.DecideBase(identity(now), &volume.Candidate{Identity: identity(v), SnapshotExists: true})
		if decision.Changed {
			handle = v.SnapshotHandle
		}
		if decision.Base {
			return &mover.Base{RecoveryPoint: before.ID, Stream: v.Stream}, handle
		}
	}
	return nil, ""
}

// identity is what binds a stream to its volume. The size is the mover's to
// compare: a stream may be shorter or longer than its base.
func identity(v agentv1.Volume) volume.Identity {
	return volume.Identity{Driver: v.Driver, VolumeHandle: v.VolumeHandle, ClaimUID: v.ClaimUID, VolumeMode: v.VolumeMode, SnapshotHandle: v.SnapshotHandle}
}

// streamName is the name of a volume's stream in a recovery point.
func streamName(v agentv1.Volume) string { return "volumes/" + v.Namespace + "/" + v.Claim }

// left are the volumes that were protected before and are not in the vault.
func left(items []vaultItem) []agentv1.Volume {
	var volumes []agentv1.Volume
	for _, i := range items {
		if i.volume.State == agentv1.VolumeSkipped && i.volume.SnapshotHandle != "" {
			volumes = append(volumes, i.volume)
		}
	}
	return volumes
}

// vaultManifest is the operational manifest with streams where that has
// snapshots.
func vaultManifest(from repo.Manifest, archives []repo.StreamRef, items []vaultItem, warnings []agentv1.Warning, stored int64) repo.Manifest {
	m := from
	m.Version, m.Root = 0, "" // of the other manifest
	m.Streams = archives
	m.Volumes, m.Warnings = nil, from.Warnings[:len(from.Warnings):len(from.Warnings)]
	m.Facts = map[string]string{}
	maps.Copy(m.Facts, from.Facts)
	m.Facts[factBytesStored] = strconv.FormatInt(stored, 10)
	for _, i := range items {
		if i.stream != nil {
			m.Streams = append(m.Streams[:len(m.Streams):len(m.Streams)], *i.stream)
			i.volume.Stream = i.stream.Name
		}
		m.Volumes = append(m.Volumes, storedVolume(i.volume))
	}
	for _, w := range warnings {
		m.Warnings = append(m.Warnings, storedWarning(w))
	}
	return m
}
