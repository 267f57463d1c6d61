package provider

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// typeCrossRegion is how access names what is asked of the secondary location.
const typeCrossRegion = "Microsoft.DataProtection/subscriptions/resourceGroups/providers/locations"

// crossRegion declares what is asked of the location that vaults are replicated
// into. It answers from what lies in that location's store, so it needs neither
// the first region nor its documents.
func (p *Provider) crossRegion() arm.Type {
	pages := func(name string, handler arm.Handler) (lists []arm.List) {
		// Some clients GET the next page, as its address stands.
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			lists = append(lists, arm.List{Path: groupLocationPath + "/" + name, Method: method, Action: typeCrossRegion + "/" + name + "/action", Handler: handler})
		}
		return lists
	}
	return arm.Type{
		Name: typeCrossRegion, MinVersion: minBackupVersion,
		Lists: append(pages("fetchSecondaryRecoveryPoints", p.listSecondaryPoints), pages("fetchCrossRegionRestoreJobs", p.listCrossRegionJobs)...),
		Actions: []arm.Action{
			{Name: "validateCrossRegionRestore", Path: groupLocationPath, Handler: p.validateCrossRegionRestore},
			{Name: "crossRegionRestore", Path: groupLocationPath, Handler: p.crossRegionRestore},
			{Name: "fetchCrossRegionRestoreJob", Path: groupLocationPath, Handler: p.getCrossRegionJob},
		},
	}
}

// decodePage reads the body of the request for a page; its next page carries the
// same in its address.
func decodePage(r *arm.Request, into any, fields map[string]*string) error {
	if r.Method != http.MethodGet {
		if err := r.Decode(into); err != nil {
			return err
		}
	}
	for name, value := range fields {
		if r.Method == http.MethodGet {
			*value = r.Query.Get(name)
		}
		if *value == "" {
			return required(name)
		}
		r.Query.Set(name, *value)
	}
	return nil
}

// replicated is an instance as it is known in the secondary location.
type replicated struct {
	*backup.Instance
	vault *backup.Vault // with the secondary location as its own
}

// secondary reads the instance that a request to a location is about.
func (p *Provider) secondary(tx catalog.Tx, r *arm.Request, sourceRegion, instanceID string) (replicated, error) {
	const target = "sourceBackupInstanceId"
	if err := requireLinked(r, typeInstance+"/read", instanceID); err != nil {
		return replicated{}, err
	}
	location := r.Params["location"]
	instance, err := existing(inventory.SecondaryInstances.Get(tx, instanceID))
	if err != nil {
		return replicated{}, err
	}
	if instance == nil {
		return replicated{}, cmp.Or(unread(tx, p.Regions, location), notReplicated(target, location, instanceID))
	}
	vault, err := existing(inventory.SecondaryVaults.Get(tx, instance.VaultID()))
	if err != nil {
		return replicated{}, err
	}
	if vault == nil {
		return replicated{}, notReplicated(target, location, instanceID)
	}
	pair := p.Regions.PairOf(vault.Location)
	switch {
	case !backup.SameRegion(vault.Location, sourceRegion):
		return replicated{}, refuse(backup.Invalid("sourceRegion", "vault %s is in %s, not in %s", vault.Name(), vault.Location, sourceRegion))
	case pair == "" || !backup.SameRegion(pair, location):
		return replicated{}, refuse(backup.Invalid("location", "vault %s is replicated into %q, not into %s", vault.Name(), pair, location))
	}
	vault.Location = pair
	return replicated{instance, vault}, nil
}

func notReplicated(target, location, instanceID string) error {
	p := backup.NewProblem(backup.CodeResourceNotFound, target, "nothing of backup instance %s is in region %s", instanceID, location)
	p.Actions = []string{
		"Ask the location that the vault is replicated into, with a service that was given its replicaStore (holdfastd serve --regions).",
		"A recovery point is there some minutes after it was copied into a vault that is GeoRedundant and has cross region restore enabled."}
	return refuse(p)
}

// listSecondaryPoints lists newest first.
func (p *Provider) listSecondaryPoints(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.SecondaryRecoveryPointsRequest
	if err := decodePage(r, &in, map[string]*string{"sourceRegion": &in.SourceRegion, "sourceBackupInstanceId": &in.SourceBackupInstanceID}); err != nil {
		return nil, err
	}
	return p.pagePoints(ctx, r, inventory.SecondaryPoints, func(tx catalog.Tx) (string, error) {
		source, err := p.secondary(tx, r, in.SourceRegion, in.SourceBackupInstanceID)
		if err != nil {
			return "", err
		}
		return source.ID, nil
	})
}

// crossRegionRequest reads what is to be restored.
func crossRegionRequest(r *arm.Request) (*backup.RestoreRequest, *v1.CrossRegionRestoreDetails, error) {
	var in v1.CrossRegionRestoreRequest
	if err := r.Decode(&in); err != nil {
		return nil, nil, err
	}
	details := in.CrossRegionRestoreDetails
	switch {
	case details == nil:
		return nil, nil, required("crossRegionRestoreDetails")
	case details.SourceRegion == "":
		return nil, nil, required("crossRegionRestoreDetails.sourceRegion")
	case details.SourceBackupInstanceID == "":
		return nil, nil, required("crossRegionRestoreDetails.sourceBackupInstanceId")
	}
	request, err := restoreFrom(in.RestoreRequestObject, "restoreRequestObject.")
	return request, details, err
}

// checkCrossRegion applies every rule that can be decided at once.
func (p *Provider) checkCrossRegion(tx catalog.Tx, r *arm.Request, request *backup.RestoreRequest, details *v1.CrossRegionRestoreDetails) (source replicated, point *backup.RecoveryPoint, err error) {
	if source, err = p.secondary(tx, r, details.SourceRegion, details.SourceBackupInstanceID); err != nil {
		return source, nil, err
	}
	request.Region = source.vault.Location
	if err := refuse(request.Check()); err != nil {
		return source, nil, err
	}
	pointID := source.ID + "/recoveryPoints/" + request.RecoveryPointID
	point, err = existing(inventory.SecondaryPoints.Get(tx, pointID))
	if err != nil {
		return source, nil, err
	}
	if point == nil {
		return source, nil, missing("restoreRequestObject.recoveryPointId", "recovery point in region "+request.Region, pointID)
	}
	if err := refuse(request.CheckAgainst(point)); err != nil {
		return source, nil, err
	}
	if err := checkTarget(tx, r, source.Instance, request); err != nil {
		return source, nil, err
	}
	cluster, err := inventory.Clusters.Get(tx, request.Target.ID)
	if err == nil && !backup.SameRegion(cluster.Location, request.Region) {
		err = refuse(backup.Invalid("restoreRequestObject.restoreTargetInfo.datasourceInfo", "cluster %s is in %s; cross region restores go into %s", cluster.Name(), cluster.Location, request.Region))
	}
	return source, point, err
}

func (p *Provider) validateCrossRegionRestore(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	request, details, err := crossRegionRequest(r)
	if err != nil {
		return nil, err
	}
	var resp *arm.Response
	err = p.Store.Update(ctx, func(tx catalog.Tx) error {
		source, _, err := p.checkCrossRegion(tx, r, request, details)
		if err != nil {
			return err
		}
		op, err := operations.Start(tx, p.Clock.Now(), operations.Record{
			Action: string(backup.WorkValidateRestore), Resource: source.ID, Location: request.Region, Starter: r.Principal.ObjectID})
		if err != nil {
			return err
		}
		resp = arm.Accepted(op, pollInstanceAction)
		return inventory.Enqueue(tx, backup.Work{Kind: backup.WorkValidateRestore, Subject: source.ID, OperationID: op.ID, Restore: request})
	})
	return resp, err
}

func (p *Provider) crossRegionRestore(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	request, details, err := crossRegionRequest(r)
	if err != nil {
		return nil, err
	}
	var resp *arm.Response
	err = p.Store.Update(ctx, func(tx catalog.Tx) error {
		source, point, err := p.checkCrossRegion(tx, r, request, details)
		if err != nil {
			return err
		}
		job := p.newRestore(r, source.Instance, request, point)
		if err := p.checkOtherJobs(tx, job); err != nil {
			return err
		}
		op, err := p.writeJob(tx, r, source.ID, source.vault.Location, job, typeCrossRegion+"/crossRegionRestore/action")
		resp = arm.Accepted(op, pollInstanceAction)
		return err
	})
	return resp, err
}

// isCrossRegion says whether a job is a restore from the replicas in a location.
func isCrossRegion(j *backup.Job, location string) bool {
	return j.Restore != nil && j.Restore.Region != "" && backup.SameRegion(j.Restore.Region, location)
}

// listCrossRegionJobs lists newest first; pages may be short.
func (p *Provider) listCrossRegionJobs(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.CrossRegionRestoreJobsRequest
	if err := decodePage(r, &in, map[string]*string{"sourceRegion": &in.SourceRegion, "sourceBackupVaultId": &in.SourceBackupVaultID}); err != nil {
		return nil, err
	}
	if err := requireLinked(r, typeJob+"/read", in.SourceBackupVaultID); err != nil {
		return nil, err
	}
	f, err := readJobFilter(r, parseOrRoot(in.SourceBackupVaultID))
	if err != nil {
		return nil, err
	}
	f.tests = append(f.tests, func(j *backup.Job, _ *v1.JobProperties) bool { return isCrossRegion(j, r.Params["location"]) })
	var out []v1.Job
	var next string
	err = p.Store.View(ctx, func(tx catalog.Tx) error {
		vault, err := existing(vaultHereOrThere(tx, in.SourceBackupVaultID))
		if err != nil {
			return err
		}
		if out, next, err = f.page(tx, in.SourceBackupVaultID, r.After(), r.Limit()); err != nil || vault != nil {
			return err
		}
		// What is left of a vault that is gone can still be seen.
		left, _, err := inventory.Jobs.Page(tx, in.SourceBackupVaultID, "", 1)
		if err == nil && len(left) == 0 {
			err = cmp.Or(unread(tx, p.Regions, r.Params["location"]), missing("sourceBackupVaultId", "vault", in.SourceBackupVaultID))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Page(r, out, v1.Job.ResourceID, next)
}

func (p *Provider) getCrossRegionJob(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.CrossRegionRestoreJobsRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	for _, field := range []struct{ name, value string }{{"sourceRegion", in.SourceRegion}, {"sourceBackupVaultId", in.SourceBackupVaultID}, {"jobId", in.JobID}} {
		if field.value == "" {
			return nil, required(field.name)
		}
	}
	if err := requireLinked(r, typeJob+"/read", in.SourceBackupVaultID); err != nil {
		return nil, err
	}
	id := in.SourceBackupVaultID + "/backupJobs/" + nameOf(in.JobID)
	var job *backup.Job
	err := p.Store.View(ctx, func(tx catalog.Tx) (err error) {
		job, err = existing(inventory.Jobs.Get(tx, id))
		return err
	})
	if err != nil {
		return nil, err
	}
	if job == nil || !isCrossRegion(job, r.Params["location"]) {
		return nil, missing("jobId", "cross region restore", id)
	}
	return arm.OK(jobTo(job)), nil
}

// vaultHereOrThere reads a vault of this region or, where there is none of that id,
// of one whose replicas are here.
func vaultHereOrThere(tx catalog.Tx, id string) (*backup.Vault, error) {
	vault, err := existing(inventory.Vaults.Get(tx, id))
	if err != nil || vault != nil {
		return vault, err
	}
	return inventory.SecondaryVaults.Get(tx, id)
}

// vaultsHereOrThere is a page of the vaults of this region and of those whose replicas
// are here, in the order of their ids: when their own region is lost, this is where
// people look for them.
func vaultsHereOrThere(tx catalog.Tx, parent, after string, limit int) ([]backup.Vault, string, error) {
	all, more, err := inventory.Vaults.Page(tx, parent, after, limit)
	if err != nil {
		return nil, "", err
	}
	there, moreThere, err := inventory.SecondaryVaults.Page(tx, parent, after, limit)
	if err != nil {
		return nil, "", err
	}
	here := len(all)
	for _, v := range there {
		if !slices.ContainsFunc(all[:here], func(own backup.Vault) bool { return backup.SameID(own.ID, v.ID) }) {
			all = append(all, v)
		}
	}
	key := func(v *backup.Vault) string { return backup.Key(v.ID) }
	slices.SortFunc(all, func(a, b backup.Vault) int { return strings.Compare(key(&a), key(&b)) })
	if len(all) > limit || more != "" || moreThere != "" {
		all = all[:min(limit, len(all))]
		return all, key(&all[len(all)-1]), nil
	}
	return all, "", nil
}

// instanceHereOrThere is the same of an instance. One that was deleted from a vault that
// is here is not there any more, although its replicas may stay for a while.
func instanceHereOrThere(tx catalog.Tx, id string) (*backup.Instance, error) {
	instance, err := inventory.Instances.Get(tx, id)
	if !errors.Is(err, catalog.ErrNotFound) {
		return instance, err
	}
	own, failed := existing(inventory.Vaults.Get(tx, backup.ParentID(id)))
	if failed != nil || own != nil {
		return nil, cmp.Or(failed, err)
	}
	return inventory.SecondaryInstances.Get(tx, id)
}

// identityHereOrThere is the same of an identity that vaults act by; nil when there is
// none of that id.
func identityHereOrThere(tx catalog.Tx, id string) (*backup.UserIdentity, error) {
	found, err := existing(inventory.UserIdentities.Get(tx, id))
	if err != nil || found != nil {
		return found, err
	}
	return existing(inventory.SecondaryIdentities.Get(tx, id))
}

// replicationTo shows how far an instance is replicated; nil when it is not to be.
func (p *Provider) replicationTo(tx catalog.Tx, instanceID string) (*v1.Replication, error) {
	sum, ok, err := inventory.ReplicationOf(tx, instanceID)
	if err != nil || !ok {
		return nil, err
	}
	care, err := inventory.CareOf(tx, instanceID)
	if err != nil {
		return nil, err
	}
	now := p.Clock.Now()
	out := &v1.Replication{Damaged: len(care.Replica.Damaged), Region: sum.Region, Pending: sum.Pending, PendingSince: optionalTime(sum.Since), Late: sum.Late(now), Error: facing(sum.Problem)}
	if sum.Newest != "" {
		age, lag := int64(sum.Age(now).Seconds()), int64(sum.Lag.Seconds())
		out.NewestRecoveryPointID, out.RecoveryPointTime = &sum.Newest, optionalTime(sum.Time)
		out.RPOInSeconds, out.LagInSeconds = &age, &lag
	}
	return out, nil
}
