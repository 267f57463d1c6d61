package provider

import (
	"context"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const groupLocationPath = groupPath + backupNamespace + "locations/{location}"

// vaultLocations declares what is asked of a region before a vault exists.
func (p *Provider) vaultLocations() arm.Type {
	return arm.Type{
		Name: "Microsoft.DataProtection/locations", Path: groupLocationPath, MinVersion: minBackupVersion,
		Actions: []arm.Action{{Name: "checkNameAvailability", Handler: p.checkName}},
	}
}

func (p *Provider) checkName(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.NameAvailabilityRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, required("name")
	}
	if in.Type != "" && !strings.EqualFold(in.Type, typeVault) {
		return nil, refuse(backup.Invalid("type", "names of type %q cannot be checked; the type is %s", in.Type, typeVault))
	}
	if problem := backup.CheckVaultName(in.Name); problem != nil {
		return arm.OK(unavailable("Invalid", problem.Message)), nil
	}
	id := r.ID.ResourceGroupID().String() + "/providers/" + typeVault + "/" + in.Name
	var found *backup.Vault
	err := p.Store.View(ctx, func(tx catalog.Tx) (err error) {
		found, err = existing(inventory.Vaults.Get(tx, id))
		return err
	})
	if err != nil {
		return nil, err
	}
	if found != nil {
		return arm.OK(unavailable("AlreadyExists", "a vault named "+in.Name+" exists in the resource group")), nil
	}
	return arm.OK(v1.NameAvailability{NameAvailable: true}), nil
}

func unavailable(reason, message string) v1.NameAvailability {
	return v1.NameAvailability{Reason: &reason, Message: &message}
}

// providerOperations lists what the resource provider offers.
func (p *Provider) providerOperations() arm.Type {
	return arm.Type{
		Name: "Microsoft.DataProtection/operations", MinVersion: minBackupVersion,
		Lists: []arm.List{{Path: "/providers/Microsoft.DataProtection/operations", Handler: p.listProviderOperations, Open: true}},
	}
}

func (p *Provider) listProviderOperations(_ context.Context, r *arm.Request) (*arm.Response, error) {
	return arm.PageOf(r, backupOperations(), func(v1.ProviderOperation) string { return "/" })
}

// offered are the actions of the resource provider, by resource type.
var offered = []struct {
	resource string
	verbs    []string
}{
	{"backupVaults", []string{"read", "write", "delete", "validateForBackup/action", "verify/action", "collect/action", "repair/action"}},
	{"backupVaults/backupPolicies", []string{"read", "write", "delete"}},
	{"backupVaults/backupInstances", []string{
		"read", "write", "delete", "backup/action", "validateRestore/action", "restore/action",
		"stopProtection/action", "suspendBackups/action", "resumeBackups/action", "resumeProtection/action", "sync/action"}},
	{"backupVaults/backupInstances/recoveryPoints", []string{"read"}},
	{"backupVaults/deletedBackupInstances", []string{"read", "undelete/action"}},
	{"backupVaults/backupJobs", []string{"read", "cancel/action"}},
	{"locations", []string{"checkNameAvailability/action"}},
	{"subscriptions/resourceGroups/providers/locations", []string{
		"fetchSecondaryRecoveryPoints/action", "validateCrossRegionRestore/action", "crossRegionRestore/action",
		"fetchCrossRegionRestoreJobs/action", "fetchCrossRegionRestoreJob/action"}},
}

func backupOperations() []v1.ProviderOperation {
	var all []v1.ProviderOperation
	for _, o := range offered {
		for _, verb := range o.verbs {
			all = append(all, v1.ProviderOperation{
				Name: "Microsoft.DataProtection/" + o.resource + "/" + verb,
				Display: v1.ProviderOperationDisplay{
					Provider: "Microsoft.DataProtection", Resource: o.resource,
					Operation: strings.TrimSuffix(verb, "/action"), Description: verb + " on " + o.resource,
				},
			})
		}
	}
	return all
}
