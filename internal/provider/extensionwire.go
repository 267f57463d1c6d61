package provider

import (
	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
)

// extensionFrom reads an extension but for its protected settings; the domain
// checks what it means.
func extensionFrom(in v1.Extension) (*backup.Extension, error) {
	props := in.Properties
	if props == nil {
		return nil, required("properties")
	}
	identity, err := identityFrom(in.Identity, backup.Identity{})
	if err != nil {
		return nil, err
	}
	e := &backup.Extension{
		Type: props.ExtensionType, AutoUpgradeMinor: props.AutoUpgradeMinorVersion, ReleaseTrain: props.ReleaseTrain,
		Version: props.Version, Settings: props.ConfigurationSettings, Identity: identity,
	}
	if s := props.Scope; s != nil {
		e.Scope = &backup.ExtensionScope{}
		if s.Namespace != nil {
			return nil, refuse(backup.Invalid("properties.scope", "the extension is installed for the whole cluster, not for a namespace"))
		}
		if s.Cluster != nil {
			e.Scope.ReleaseNamespace = s.Cluster.ReleaseNamespace
		}
	}
	return e, nil
}

// patchSettings applies a PATCH but for the protected settings: settings
// replace those of the same name, under whichever of its names.
func patchSettings(e *backup.Extension, in *v1.ExtensionProperties) {
	if in.AutoUpgradeMinorVersion != nil {
		e.AutoUpgradeMinor = in.AutoUpgradeMinorVersion
	}
	if in.ReleaseTrain != "" {
		e.ReleaseTrain = in.ReleaseTrain
	}
	if in.Version != "" {
		e.Version = in.Version
	}
	e.Settings = backup.MergeSettings(e.Settings, in.ConfigurationSettings)
}

// extensionTo shows an extension. Protected settings are shown as names
// without values.
func (p *Provider) extensionTo(e *backup.Extension) v1.Extension {
	system := false
	out := v1.Extension{Resource: envelope(&e.Meta), Properties: &v1.ExtensionProperties{
		ExtensionType: e.Type, AutoUpgradeMinorVersion: e.AutoUpgradeMinor, ReleaseTrain: e.ReleaseTrain,
		Version: e.Version, CurrentVersion: e.CurrentVersion, ConfigurationSettings: e.Settings,
		ProvisioningState: provisioning(e.State), IsSystemExtension: &system,
		Statuses: show(e.Statuses, extensionStatusTo),
		AKSAssignedIdentity: &v1.Identity{
			Type: backup.IdentityUser, PrincipalID: e.ClusterPrincipal, TenantID: p.TenantID},
	}}
	out.Identity = p.identityTo(e.Identity, nil)
	if e.Protected != nil {
		out.Properties.ConfigurationProtectedSettings = map[string]string{}
		for name := range e.Protected {
			out.Properties.ConfigurationProtectedSettings[name] = ""
		}
	}
	if e.Scope != nil {
		out.Properties.Scope = &v1.ExtensionScope{Cluster: &v1.ClusterScope{ReleaseNamespace: e.Scope.ReleaseNamespace}}
	}
	out.Properties.ErrorInfo = errorInfo(e.Problem)
	return out
}

// errorInfo shows a problem as part of a resource; nil stays nil.
func errorInfo(p *backup.Problem) *v1.ErrorBody {
	if p == nil {
		return nil
	}
	return &v1.ErrorBody{Code: string(p.Code), Message: p.Message, Target: p.Target,
		AdditionalInfo: []v1.AdditionalInfo{{Type: "UserFacingError", Info: *facing(p)}}}
}

func extensionStatusTo(s *backup.ExtensionStatus) v1.ExtensionStatus {
	return v1.ExtensionStatus{Code: s.Code, DisplayStatus: s.Code, Level: s.Level, Message: s.Message, Time: s.Time}
}
