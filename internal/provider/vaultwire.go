package provider

import (
	"cmp"
	"errors"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// vaultFrom reads a vault; old keeps its principal.
func vaultFrom(in v1.Vault, old *backup.Vault) (*backup.Vault, error) {
	if in.Properties == nil {
		return nil, required("properties")
	}
	v := &backup.Vault{UID: newHex()}
	v.Location, v.Tags = plainLocation(in.Location), in.Tags
	var before backup.Identity
	if old != nil {
		before, v.UID = old.Identity, old.UID
	}
	var err error
	if v.Identity, err = identityFrom(in.Identity, before); err != nil {
		return nil, err
	}
	for _, s := range in.Properties.StorageSettings {
		setting, err := storageSettingFrom(s)
		if err != nil {
			return nil, err
		}
		v.Storage = append(v.Storage, setting)
	}
	return v, vaultSettings(v, in.Properties)
}

func storageSettingFrom(s v1.StorageSetting) (backup.StorageSetting, error) {
	const target = "properties.storageSettings"
	if s.DatastoreType == "" || s.Type == "" {
		return backup.StorageSetting{}, refuse(backup.Invalid(target, "a storage setting needs datastoreType and type"))
	}
	tier, err := pickEnum(target+".datastoreType", s.DatastoreType, "VaultStore", "OperationalStore", "ArchiveStore")
	if err != nil {
		return backup.StorageSetting{}, err
	}
	redundancy, err := pickEnum(target+".type", s.Type, "LocallyRedundant", "ZoneRedundant", "GeoRedundant")
	return backup.StorageSetting{Tier: backup.Tier(tier), Redundancy: redundancy}, err
}

// vaultSettings sets on v what in names, and leaves the rest as it is.
func vaultSettings(v *backup.Vault, in *v1.VaultProperties) error {
	return errors.Join(securityFrom(v, in.SecuritySettings), featuresFrom(v, in.FeatureSettings), alertsFrom(v, in.MonitoringSettings))
}

func securityFrom(v *backup.Vault, in *v1.SecuritySettings) error {
	const target = "properties.securitySettings."
	if in == nil {
		return nil
	}
	if e := in.EncryptionSettings; e != nil && e.State != "" && e.State != "Disabled" {
		return refuse(backup.NewProblem(backup.CodeNotSupported, target+"encryptionSettings", "customer-managed keys are not offered by this service yet"))
	}
	var err error
	if s := in.SoftDeleteSettings; s != nil {
		soft := &backup.SoftDelete{}
		if s.RetentionDurationInDays != nil {
			soft.Days = *s.RetentionDurationInDays
		}
		soft.State, err = pickEnum(target+"softDeleteSettings.state", s.State, "Off", "On", "AlwaysOn")
		v.SoftDelete = soft
	}
	if s := in.ImmutabilitySettings; s != nil && err == nil {
		v.Immutability, err = pickEnum(target+"immutabilitySettings.state", s.State, "Disabled", "Unlocked", "Locked")
	}
	return err
}

func featuresFrom(v *backup.Vault, in *v1.FeatureSettings) error {
	const target = "properties.featureSettings."
	if in == nil {
		return nil
	}
	var err error
	if s := in.CrossSubscriptionRestoreSettings; s != nil {
		v.CrossSubscription, err = pickEnum(target+"crossSubscriptionRestoreSettings.state", s.State, "Enabled", "Disabled", "PermanentlyDisabled")
	}
	if s := in.CrossRegionRestoreSettings; s != nil && err == nil {
		v.CrossRegion, err = pickEnum(target+"crossRegionRestoreSettings.state", s.State, "Enabled", "Disabled")
	}
	return err
}

func alertsFrom(v *backup.Vault, in *v1.MonitoringSettings) error {
	if in == nil || in.AzureMonitorAlertSettings == nil {
		return nil
	}
	var err error
	v.JobAlerts, err = pickEnum("properties.monitoringSettings.azureMonitorAlertSettings.alertsForAllJobFailures",
		in.AzureMonitorAlertSettings.AlertsForAllJobFailures, "Enabled", "Disabled")
	return err
}

// vaultPatched applies a PATCH to a copy of old.
func vaultPatched(in v1.Vault, old *backup.Vault) (*backup.Vault, error) {
	v := *old
	if in.Tags != nil {
		v.Tags = in.Tags
	}
	if in.Identity != nil {
		var err error
		if v.Identity, err = identityFrom(in.Identity, old.Identity); err != nil {
			return nil, err
		}
	}
	if in.Properties == nil {
		return &v, nil
	}
	return &v, vaultSettings(&v, in.Properties)
}

// vaultTo shows a vault, with the identities that are attached to it.
func (p *Provider) vaultTo(tx catalog.Tx, v *backup.Vault) (v1.Vault, error) {
	attached := map[string]backup.UserIdentity{}
	for _, id := range v.Identity.UserAssigned {
		found, err := identityHereOrThere(tx, id)
		if err != nil {
			return v1.Vault{}, err
		}
		if found != nil {
			attached[backup.Key(id)] = *found
		}
	}
	off := false
	out := v1.Vault{Resource: envelope(&v.Meta), Properties: &v1.VaultProperties{
		ProvisioningState: string(backup.StateSucceeded), IsVaultProtectedByResourceGuard: &off,
		ReplicatedRegions: []string{}, SecureScore: "Adequate", BCDRSecurityLevel: "Good",
		CrossRegionBackupSettings: "NotApplicable",
	}}
	if region := v.ReplicaRegion(p.Regions); region != "" {
		out.Properties.ReplicatedRegions = []string{region}
	}
	out.Identity = p.identityTo(v.Identity, attached)
	out.ETag = v.ETag
	for _, s := range v.Storage {
		out.Properties.StorageSettings = append(out.Properties.StorageSettings,
			v1.StorageSetting{DatastoreType: string(s.Tier), Type: s.Redundancy})
	}
	showVaultSettings(v, out.Properties)
	return out, nil
}

func showVaultSettings(v *backup.Vault, out *v1.VaultProperties) {
	out.SecuritySettings = &v1.SecuritySettings{SoftDeleteSettings: softDeleteTo(v), ImmutabilitySettings: stateSetting(v.Immutability)}
	features := v1.FeatureSettings{
		CrossSubscriptionRestoreSettings: stateSetting(v.CrossSubscription),
		CrossRegionRestoreSettings:       stateSetting(v.CrossRegion),
	}
	if features != (v1.FeatureSettings{}) {
		out.FeatureSettings = &features
	}
	if v.JobAlerts != "" {
		out.MonitoringSettings = &v1.MonitoringSettings{AzureMonitorAlertSettings: &v1.AlertSettings{AlertsForAllJobFailures: v.JobAlerts}}
	}
}

// softDeleteTo shows what holds, also where a vault says nothing.
func softDeleteTo(v *backup.Vault) *v1.SoftDeleteSettings {
	out, days := &v1.SoftDeleteSettings{State: "On"}, v.SoftDeleteDays()
	if s := v.SoftDelete; s != nil {
		out.State, days = cmp.Or(s.State, out.State), cmp.Or(s.Days, days)
	}
	if days != 0 {
		out.RetentionDurationInDays = &days
	}
	return out
}

func stateSetting(state string) *v1.StateSetting {
	if state == "" {
		return nil
	}
	return &v1.StateSetting{State: state}
}
