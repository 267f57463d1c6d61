package provider

import (
	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
)

// instanceFrom reads the properties of an instance; target is where they stand
// in the body.
func instanceFrom(in *v1.InstanceProperties, target string) (*backup.Instance, error) {
	switch {
	case in == nil:
		return nil, required(target)
	case in.DataSourceInfo == nil:
		return nil, required(target + ".dataSourceInfo")
	case in.PolicyInfo == nil:
		return nil, required(target + ".policyInfo")
	}
	if _, err := expectObject(target, in.ObjectType, v1.ObjectBackupInstance); err != nil {
		return nil, err
	}
	out := &backup.Instance{
		FriendlyName: in.FriendlyName, Datasource: datasourceFrom(in.DataSourceInfo),
		PolicyID: in.PolicyInfo.PolicyID, PolicyVersion: in.PolicyInfo.PolicyVersion,
	}
	if in.DataSourceSetInfo != nil {
		set := datasourceFrom(in.DataSourceSetInfo)
		out.DatasourceSet = &set
	}
	if d := in.IdentityDetails; d != nil && d.UserAssignedIdentityArmURL != "" {
		out.UserIdentityID = d.UserAssignedIdentityArmURL
	}
	var err error
	if out.ValidationType, err = pickEnum(target+".validationType", in.ValidationType, "ShallowValidation", "DeepValidation"); err != nil {
		return nil, err
	}
	return out, parametersFrom(out, in.PolicyInfo.PolicyParameters, target+".policyInfo.policyParameters")
}

func datasourceFrom(d *v1.Datasource) backup.Datasource {
	return backup.Datasource{
		ID: d.ResourceID, URI: d.ResourceURI, Type: d.DatasourceType, ResourceName: d.ResourceName,
		ResourceType: d.ResourceType, Location: d.ResourceLocation, ObjectType: d.ObjectType,
	}
}

// parametersFrom reads the snapshot resource group and the selection. What is
// missing stays empty; the domain says which is required.
func parametersFrom(out *backup.Instance, in *v1.PolicyParameters, target string) error {
	if in == nil {
		return required(target)
	}
	for _, s := range in.DataStoreParametersList {
		if _, err := expectObject(target+".dataStoreParametersList", s.ObjectType, v1.ObjectOperationalStore); err != nil {
			return err
		}
		if _, err := pickEnum(target+".dataStoreParametersList.dataStoreType", s.DataStoreType, "OperationalStore"); err != nil {
			return err
		}
		out.SnapshotGroupID = s.ResourceGroupID
	}
	if n := len(in.BackupDatasourceParametersList); n != 1 {
		return refuse(backup.Invalid(target+".backupDatasourceParametersList", "backupDatasourceParametersList must have one entry, not %d", n))
	}
	parameters, err := selectionFrom(in.BackupDatasourceParametersList[0], target+".backupDatasourceParametersList[0]")
	out.Parameters = parameters
	return err
}

func selectionFrom(in v1.DatasourceParameters, target string) (backup.BackupParameters, error) {
	var out backup.BackupParameters
	if _, err := expectObject(target, in.ObjectType, v1.ObjectClusterBackup); err != nil {
		return out, err
	}
	if in.SnapshotVolumes == nil {
		return out, required(target + ".snapshotVolumes")
	}
	if in.IncludeClusterScopeResources == nil {
		return out, required(target + ".includeClusterScopeResources")
	}
	return backup.BackupParameters{
		Selection: backup.Selection{
			IncludedNamespaces: in.IncludedNamespaces, ExcludedNamespaces: in.ExcludedNamespaces,
			IncludedResourceTypes: in.IncludedResourceTypes, ExcludedResourceTypes: in.ExcludedResourceTypes,
			LabelSelectors: in.LabelSelectors, ClusterScoped: *in.IncludeClusterScopeResources,
		},
		SnapshotVolumes: *in.SnapshotVolumes, VolumeTypes: in.IncludedVolumeTypes,
		Hooks: hooksFrom(in.BackupHookReferences),
	}, nil
}

// hooksFrom keeps the difference between absent and empty.
func hooksFrom(in []v1.NamespacedRef) []backup.HookRef {
	if in == nil {
		return nil
	}
	return show(in, func(h *v1.NamespacedRef) backup.HookRef { return backup.HookRef(*h) })
}

func hooksTo(in []backup.HookRef) []v1.NamespacedRef {
	if in == nil {
		return nil
	}
	return show(in, func(h *backup.HookRef) v1.NamespacedRef { return v1.NamespacedRef(*h) })
}

// instanceTo shows an instance.
func instanceTo(i *backup.Instance) v1.Instance {
	out := v1.Instance{Resource: envelope(&i.Meta), Properties: &v1.InstanceProperties{
		FriendlyName: i.FriendlyName, DataSourceInfo: datasourceTo(i.Datasource),
		PolicyInfo: &v1.PolicyInfo{PolicyID: i.PolicyID, PolicyVersion: i.PolicyVersion, PolicyParameters: parametersTo(i)},
		ObjectType: v1.ObjectBackupInstance, ValidationType: i.ValidationType,
		IdentityDetails:        identityDetailsTo(i.UserIdentityID),
		CurrentProtectionState: string(i.ShownProtection()), ProvisioningState: provisioning(i.State),
		ProtectionStatus:       &v1.ProtectionStatus{Status: protectionStatus(i), ErrorDetails: facing(i.Error)},
		ProtectionErrorDetails: facing(i.Error),
	}}
	if i.DatasourceSet != nil {
		out.Properties.DataSourceSetInfo = datasourceTo(*i.DatasourceSet)
	}
	return out
}

// provisioning shows a state in the words of the resource.
func provisioning(s backup.ProvisioningState) string {
	if s == "" {
		s = backup.StateSucceeded
	}
	return string(s)
}

// protectionStatus is the protection state in the shorter list of words that
// protectionStatus.status has.
func protectionStatus(i *backup.Instance) string {
	switch shown := i.ShownProtection(); shown {
	case backup.UpdatingProtection:
		return string(backup.ConfiguringProtection)
	case backup.ProtectionError:
		return string(backup.ConfiguringFailed)
	default:
		return string(shown)
	}
}

func datasourceTo(d backup.Datasource) *v1.Datasource {
	return &v1.Datasource{
		DatasourceType: d.Type, ObjectType: d.ObjectType, ResourceID: d.ID, ResourceLocation: d.Location,
		ResourceName: d.ResourceName, ResourceType: d.ResourceType, ResourceURI: d.URI,
	}
}

func identityDetailsTo(userIdentityID string) *v1.IdentityDetails {
	system := userIdentityID == ""
	return &v1.IdentityDetails{UseSystemAssignedIdentity: &system, UserAssignedIdentityArmURL: userIdentityID}
}

func parametersTo(i *backup.Instance) *v1.PolicyParameters {
	b := &i.Parameters
	return &v1.PolicyParameters{
		DataStoreParametersList: []v1.DataStoreParameters{{
			ObjectType: v1.ObjectOperationalStore, DataStoreType: string(backup.TierOperational), ResourceGroupID: i.SnapshotGroupID}},
		BackupDatasourceParametersList: []v1.DatasourceParameters{{
			ObjectType: v1.ObjectClusterBackup, SnapshotVolumes: &b.SnapshotVolumes, IncludeClusterScopeResources: &b.ClusterScoped,
			IncludedVolumeTypes: b.VolumeTypes, IncludedNamespaces: b.IncludedNamespaces, ExcludedNamespaces: b.ExcludedNamespaces,
			IncludedResourceTypes: b.IncludedResourceTypes, ExcludedResourceTypes: b.ExcludedResourceTypes,
			LabelSelectors: b.LabelSelectors, BackupHookReferences: hooksTo(b.Hooks),
		}},
	}
}
