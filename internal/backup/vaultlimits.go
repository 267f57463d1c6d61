package backup

import (
	"maps"
	"slices"
	"strings"
)

// VaultBounds are what one recovery point may bring into the vault; 0 is no limit.
type VaultBounds struct {
	VolumeBytes    int64 // of the largest volume; a larger one is left out
	Volumes        int   // the others are left out
	BytesPerSecond int64 // of each volume that is being copied
}

// VaultLimits are what a policy says of that. A figure that is not set is the
// profile's; without a profile, and for what that does not bound, the service's.
type VaultLimits struct {
	Profile        string `json:"profile,omitempty"` // one of VaultProfiles
	VolumeBytes    *int64 `json:"volumeBytes,omitempty"`
	Volumes        *int64 `json:"volumes,omitempty"`
	BytesPerSecond *int64 `json:"bytesPerSecond,omitempty"`
}

// vaultProfiles bound the size and the number of volumes: Azure as Azure Backup
// for AKS does.
var vaultProfiles = map[string]VaultBounds{
	"Azure":     {VolumeBytes: 1 << 40, Volumes: 100},
	"Unlimited": {},
}

// VaultProfiles lists the names of the profiles.
func VaultProfiles() []string { return slices.Sorted(maps.Keys(vaultProfiles)) }

// vaultProfile returns the profile of that name, compared without case.
func vaultProfile(name string) (bounds VaultBounds, known bool) {
	for _, p := range VaultProfiles() {
		if equalFold(p, name) {
			return vaultProfiles[p], true
		}
	}
	return bounds, false
}

// mostVolumes keeps the number within what every program can count.
const mostVolumes = 1 << 30

// Bounds returns what holds where the service has bounds of its own; l may be nil.
func (l *VaultLimits) Bounds(service VaultBounds) VaultBounds {
	if l == nil {
		return service
	}
	if profile, ok := vaultProfile(l.Profile); ok {
		service.VolumeBytes, service.Volumes = profile.VolumeBytes, profile.Volumes
	}
	if l.VolumeBytes != nil {
		service.VolumeBytes = *l.VolumeBytes
	}
	if l.Volumes != nil {
		service.Volumes = int(*l.Volumes)
	}
	if l.BytesPerSecond != nil {
		service.BytesPerSecond = *l.BytesPerSecond
	}
	return service
}

func (p Policy) checkVaultLimits() *Problem {
	l := p.VaultLimits
	if l == nil {
		return nil
	}
	const target = "properties.holdfastVaultLimits"
	if !p.UsesVaultTier() {
		return Invalid(target, "the policy bounds what is copied to the VaultStore, and copies nothing there").
			advise("Add a retention rule with a lifecycle in the VaultStore, or leave holdfastVaultLimits out.")
	}
	if _, known := vaultProfile(l.Profile); !known && l.Profile != "" {
		return Invalid(target+".profile", "there is no profile %q", l.Profile).
			advise("Choose one of " + strings.Join(VaultProfiles(), ", ") + ", or leave the profile out.")
	}
	for _, f := range []struct {
		name  string
		value *int64
	}{{"maxVolumeSizeInBytes", l.VolumeBytes}, {"maxVolumes", l.Volumes}, {"maxBytesPerSecond", l.BytesPerSecond}} {
		if f.value != nil && *f.value < 0 {
			return Invalid(target+"."+f.name, "%s must not be negative, and is %d", f.name, *f.value).advise("Give a positive number; 0 is no limit.")
		}
	}
	if l.Volumes != nil && *l.Volumes > mostVolumes {
		return Invalid(target+".maxVolumes", "maxVolumes is %d, more than there can be", *l.Volumes).advise("Give 0 for no limit.")
	}
	return nil
}
