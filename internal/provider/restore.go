package provider

import (
	"context"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// validateRestore checks a restore without doing it.
func (p *Provider) validateRestore(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.ValidateRestoreRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	request, err := restoreFrom(in.RestoreRequestObject, "restoreRequestObject.")
	if err != nil {
		return nil, err
	}
	var resp *arm.Response
	err = p.Store.Update(ctx, func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, r.ID.String())
		if err != nil {
			return err
		}
		vault, err := parentVault(tx, r)
		if err != nil {
			return err
		}
		if _, err := checkRestore(tx, r, i, request); err != nil {
			return err
		}
		resp, err = p.acceptValidation(tx, r, vault, backup.Work{
			Kind: backup.WorkValidateRestore, Subject: i.ID, Restore: request})
		return err
	})
	return resp, err
}

// triggerRestore starts a restore.
func (p *Provider) triggerRestore(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.RestoreRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	request, err := restoreFrom(&in, "")
	if err != nil {
		return nil, err
	}
	return p.startJob(ctx, r, "restore", func(tx catalog.Tx, i *backup.Instance, _ *backup.Policy) (*backup.Job, error) {
		point, err := checkRestore(tx, r, i, request)
		if err != nil {
			return nil, err
		}
		return p.newRestore(r, i, request, point), nil
	})
}

// newRestore returns the job of a restore.
func (p *Provider) newRestore(r *arm.Request, i *backup.Instance, request *backup.RestoreRequest, point *backup.RecoveryPoint) *backup.Job {
	job := p.newJob(r, i, backup.JobRestore, backup.TaskRestoring)
	job.Restore, job.RecoveryPointID, job.RecoveryPointAt = request, point.Name(), point.Time
	job.Stage(i.UID)
	return job
}

// checkRestore applies every rule that can be decided at once.
func checkRestore(tx catalog.Tx, r *arm.Request, i *backup.Instance, request *backup.RestoreRequest) (*backup.RecoveryPoint, error) {
	if err := refuse(request.Check()); err != nil {
		return nil, err
	}
	if err := refuse(i.MayRestore()); err != nil {
		return nil, err
	}
	pointID := i.ID + "/recoveryPoints/" + request.RecoveryPointID
	point, err := existing(inventory.RecoveryPoints.Get(tx, pointID))
	if err != nil {
		return nil, err
	}
	if point == nil {
		return nil, missing("recoveryPointId", "recovery point", pointID)
	}
	if err := refuse(request.CheckAgainst(point)); err != nil {
		return nil, err
	}
	return point, checkTarget(tx, r, i, request)
}

// checkTarget makes sure that the target exists, lies in the source's region,
// and that the caller may read both clusters and the places for staging.
func checkTarget(tx catalog.Tx, r *arm.Request, i *backup.Instance, request *backup.RestoreRequest) error {
	const target = "restoreTargetInfo.datasourceInfo.resourceID"
	cluster, err := existing(inventory.Clusters.Get(tx, request.Target.ID))
	if err != nil {
		return err
	}
	if cluster == nil {
		return missing(target, "cluster", request.Target.ID)
	}
	if request.Location != "" && !backup.SameRegion(request.Location, cluster.Location) {
		return refuse(backup.Invalid("restoreTargetInfo.restoreLocation", "restoreLocation is %s but cluster %s is in %s", request.Location, cluster.Name(), cluster.Location))
	}
	if err := requireLinked(r, clusterRead, cluster.ID); err != nil {
		return err
	}
	if err := requireLinked(r, clusterRead, i.Datasource.ID); err != nil || !request.Staged() {
		return err
	}
	if err := requireLinked(r, groupRead, request.StagingGroupID); err != nil {
		return err
	}
	return requireLinked(r, typeAccount+"/read", request.StagingAccountID)
}

const groupRead = "Microsoft.Resources/subscriptions/resourceGroups/read"

// restoreFrom reads a restore request; prefix is where it stands in the body.
func restoreFrom(in *v1.RestoreRequest, prefix string) (*backup.RestoreRequest, error) {
	if in == nil {
		return nil, required("restoreRequestObject")
	}
	if _, err := expectObject(prefix+"restoreRequest", in.ObjectType, v1.ObjectRestoreRequest); err != nil {
		return nil, err
	}
	info := in.RestoreTargetInfo
	target := prefix + "restoreTargetInfo"
	switch {
	case in.RecoveryPointID == "":
		return nil, required(prefix + "recoveryPointId")
	case in.SourceDataStoreType == "":
		return nil, required(prefix + "sourceDataStoreType")
	case info == nil:
		return nil, required(target)
	case info.DatasourceInfo == nil:
		return nil, required(target + ".datasourceInfo")
	case len(info.RestoreCriteria) != 1:
		return nil, refuse(backup.Invalid(target+".restoreCriteria", "restoreCriteria must have one entry, not %d", len(info.RestoreCriteria)))
	}
	if _, err := expectObject(target, info.ObjectType, v1.ObjectItemLevelTarget); err != nil {
		return nil, err
	}
	if _, err := pickEnum(target+".recoveryOption", info.RecoveryOption, "FailIfExists"); err != nil {
		return nil, err
	}
	out, err := criteriaOfRestore(info.RestoreCriteria[0], target+".restoreCriteria[0]")
	if err != nil {
		return nil, err
	}
	tier, err := pickEnum(prefix+"sourceDataStoreType", in.SourceDataStoreType, "OperationalStore", "VaultStore", "ArchiveStore", "SnapshotStore")
	out.RecoveryPointID, out.Tier = in.RecoveryPointID, backup.Tier(tier)
	out.Target, out.Location = datasourceFrom(info.DatasourceInfo), info.RestoreLocation
	return out, err
}

func criteriaOfRestore(in v1.RestoreCriteria, target string) (*backup.RestoreRequest, error) {
	if _, err := expectObject(target, in.ObjectType, v1.ObjectRestoreCriteria, v1.ObjectVaultRestoreCriteria); err != nil {
		return nil, err
	}
	if in.IncludeClusterScopeResources == nil {
		return nil, required(target + ".includeClusterScopeResources")
	}
	out := &backup.RestoreRequest{
		Selection: backup.Selection{
			IncludedNamespaces: in.IncludedNamespaces, ExcludedNamespaces: in.ExcludedNamespaces,
			IncludedResourceTypes: in.IncludedResourceTypes, ExcludedResourceTypes: in.ExcludedResourceTypes,
			LabelSelectors: in.LabelSelectors, ClusterScoped: *in.IncludeClusterScopeResources,
		},
		NamespaceMappings: in.NamespaceMappings, Hooks: hooksFrom(in.RestoreHookReferences),
		ConflictPolicy: backup.ConflictSkip, VolumeMode: backup.WithVolumeData,
		StagingGroupID: in.StagingResourceGroupID, StagingAccountID: in.StagingStorageAccountID, KeepStaging: in.HoldfastKeepStaging,
	}
	if in.ResourceModifierReference != nil {
		modifier := backup.HookRef(*in.ResourceModifierReference)
		out.Modifier = &modifier
	}
	policy, err := pickEnum(target+".conflictPolicy", in.ConflictPolicy, backup.ConflictSkip, backup.ConflictPatch)
	if err != nil {
		return nil, err
	}
	if policy != "" {
		out.ConflictPolicy = policy
	}
	mode, err := pickEnum(target+".persistentVolumeRestoreMode", in.PersistentVolumeRestoreMode, backup.WithVolumeData, backup.WithoutVolumeData)
	if mode != "" {
		out.VolumeMode = mode
	}
	return out, err
}
