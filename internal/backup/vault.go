package backup

import "regexp"

// Vault is the owner of policies, instances and what was backed up.
type Vault struct {
	Meta
	// UID never changes and is never used again; what the vault keeps lies under it.
	UID               string           `json:"uid"` // 32 hex digits
	Identity          Identity         `json:"identity,omitzero"`
	Storage           []StorageSetting `json:"storage"`
	SoftDelete        *SoftDelete      `json:"softDelete,omitempty"`
	Immutability      string           `json:"immutability,omitempty"`      // Disabled, Unlocked, Locked
	CrossSubscription string           `json:"crossSubscription,omitempty"` // Enabled, Disabled, PermanentlyDisabled
	CrossRegion       string           `json:"crossRegion,omitempty"`       // Enabled, Disabled
	JobAlerts         string           `json:"jobAlerts,omitempty"`         // Enabled, Disabled
}

// StorageSetting is the redundancy of one tier.
type StorageSetting struct {
	Tier       Tier   `json:"tier"`
	Redundancy string `json:"redundancy"` // LocallyRedundant, ZoneRedundant, GeoRedundant
}

// Tier is a place where recovery points are kept.
type Tier string

// Tiers.
const (
	TierOperational Tier = "OperationalStore"
	TierVault       Tier = "VaultStore"
	TierArchive     Tier = "ArchiveStore"
)

// SoftDelete says how long deleted vault data can be brought back.
type SoftDelete struct {
	State string  `json:"state,omitempty"` // Off, On, AlwaysOn
	Days  float64 `json:"days,omitempty"`  // 14 to 180
}

// Limits of a vault.
const (
	MaxPoliciesPerVault  = 5000
	MaxInstancesPerVault = 5000
)

var vaultName = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]{0,48}[A-Za-z0-9]$`)

// CheckVaultName reports whether name may name a vault.
func CheckVaultName(name string) *Problem {
	if vaultName.MatchString(name) {
		return nil
	}
	return Invalid("name", "vault name %q must have 2 to 50 letters, digits and hyphens, begin with a letter and not end with a hyphen", name)
}

// Check validates a vault as it is to be stored. Enumerations have been
// brought to their canonical spelling before.
func (v Vault) Check() *Problem {
	if p := CheckVaultName(v.Name()); p != nil {
		return p
	}
	if v.Location == "" {
		return Invalid("location", "location is required")
	}
	if len(v.Storage) == 0 {
		return Invalid("properties.storageSettings", "storageSettings must name at least one store")
	}
	if p := v.checkSoftDelete(); p != nil {
		return p
	}
	return v.checkCrossRegion()
}

func (v Vault) checkSoftDelete() *Problem {
	s := v.SoftDelete
	if s == nil || s.State == "Off" || (s.Days == 0 && s.State != "AlwaysOn") {
		return nil
	}
	if s.Days < 14 || s.Days > 180 {
		return Invalid("properties.securitySettings.softDeleteSettings.retentionDurationInDays",
			"soft delete keeps data for 14 to 180 days, not %v", s.Days)
	}
	return nil
}

func (v Vault) checkCrossRegion() *Problem {
	if v.CrossRegion != "Enabled" || v.GeoRedundant() {
		return nil
	}
	return Invalid("properties.featureSettings.crossRegionRestoreSettings",
		"cross region restore needs GeoRedundant storage")
}

// GeoRedundant says whether the vault tier is kept in the paired region too.
func (v Vault) GeoRedundant() bool {
	for _, s := range v.Storage {
		if s.Redundancy == "GeoRedundant" {
			return true
		}
	}
	return false
}

// CheckChange validates the step from old to v; hasItems says whether
// instances exist, which fixes the redundancy.
func (v Vault) CheckChange(old Vault, hasItems bool) *Problem {
	if p := SameLocation(v.Meta, old.Meta); p != nil {
		return p
	}
	switch {
	case hasItems && !sameStorage(old.Storage, v.Storage):
		return Invalid("properties.storageSettings", "the redundancy is fixed once instances are protected")
	case old.SoftDelete != nil && old.SoftDelete.State == "AlwaysOn" && (v.SoftDelete == nil || v.SoftDelete.State != "AlwaysOn"):
		return NewProblem(CodeSoftDeleteAlwaysOn, "properties.securitySettings.softDeleteSettings", "soft delete is AlwaysOn and cannot be turned off")
	case old.Immutability == "Locked" && v.Immutability != "Locked":
		return irreversible("properties.securitySettings.immutabilitySettings", "immutability is Locked")
	case old.CrossSubscription == "PermanentlyDisabled" && v.CrossSubscription != "PermanentlyDisabled":
		return irreversible("properties.featureSettings.crossSubscriptionRestoreSettings", "cross subscription restore is PermanentlyDisabled")
	case old.CrossRegion == "Enabled" && v.CrossRegion != "Enabled":
		return irreversible("properties.featureSettings.crossRegionRestoreSettings", "cross region restore is Enabled")
	default:
		return nil
	}
}

func irreversible(target, what string) *Problem {
	return NewProblem(CodeIrreversible, target, "%s, which cannot be taken back", what)
}

func sameStorage(a, b []StorageSetting) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
