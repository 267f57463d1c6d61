package workflow

import (
	"errors"
	"strconv"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// recoveryPoint is the catalog's entry of what a backup wrote.
func (t *turn) recoveryPoint(job *backup.Job, o agentops.Operation, result agentv1.BackupResult) (*backup.RecoveryPoint, error) {
	ref, err := unpackRefs(o)
	if err != nil {
		return nil, err
	}
	cut := plausible(result.CutAt, job.Started, t.now)
	rule, stay, err := t.operationalStay(job)
	if err != nil {
		return nil, err
	}
	expires, err := expiry(cut, stay)
	if err != nil {
		return nil, err
	}
	onward, err := t.onward(job, cut)
	if err != nil {
		return nil, err
	}
	point := &backup.RecoveryPoint{
		Meta: backup.Meta{ID: job.InstanceID + "/recoveryPoints/" + job.RecoveryPointID, System: backup.SystemData{CreatedAt: t.now}},
		Time: cut, Expires: expires, Partial: len(o.Warnings) > 0,
		PolicyID: job.PolicyID, Tag: rule, TagVersion: strconv.FormatInt(ticks(t.now), 10), Tagging: job.Tagging, JobID: job.ID,
		Stores: []backup.RecoveryStore{{
			ID: guidOf(job.RecoveryPointID, string(backup.TierOperational)), Tier: backup.TierOperational,
			Created: cut, Expires: expires, ContainerID: ref.Container, Prefix: prefixOf(ref.Repository),
			Root: result.Root, Bytes: result.BytesStored, Onward: onward,
		}},
		Namespaces: result.Namespaces, Objects: result.Objects,
	}
	for _, v := range result.Volumes {
		point.Volumes = append(point.Volumes, backup.RecoveryVolume{
			Namespace: v.Namespace, Claim: v.Claim, Protected: v.State == agentv1.VolumeProtected,
			Reason: v.ReasonCode, SizeBytes: v.SizeBytes,
		})
		point.Partial = point.Partial || v.State != agentv1.VolumeProtected
	}
	return point, nil
}

// clockTolerance is how far a cluster's clock may be from this one.
const clockTolerance = 5 * time.Minute

// plausible is the moment a cluster reports of a backup, kept within the time
// the backup took by this clock: retention counts from it, and a cluster whose
// clock is wrong must not make its recovery points expire at once, or never.
func plausible(cut, started, now time.Time) time.Time {
	if cut.Before(started.Add(-clockTolerance)) {
		return started
	}
	if cut.After(now.Add(clockTolerance)) {
		return now
	}
	return cut
}

// operationalStay returns the retention rule a backup falls under and how long
// its recovery point stays in the operational tier: for good, when the policy is
// gone meanwhile.
func (t *turn) operationalStay(job *backup.Job) (rule, stay string, err error) {
	policy, err := inventory.Policies.Get(t.tx, job.PolicyID)
	if errors.Is(err, catalog.ErrNotFound) {
		return job.Tag, "", nil
	}
	if err != nil {
		return "", "", err
	}
	found, ok := policy.RetentionOf(job.Tag)
	if !ok {
		return job.Tag, "", nil
	}
	return found.Name, policy.OperationalStay(found), nil
}

// expiry is the end of a stay that began at a moment; never, when it has none.
func expiry(from time.Time, stay string) (time.Time, error) {
	if stay == "" {
		return time.Time{}, nil
	}
	period, err := backup.ParsePeriod(stay)
	if err != nil {
		return time.Time{}, err
	}
	return period.After(from), nil
}

// ticks counts a moment as the wire does: 100 ns since the year 1.
func ticks(t time.Time) int64 {
	const unixEpoch = 621355968000000000
	return unixEpoch + t.Unix()*1e7 + int64(t.Nanosecond())/100
}

// guidOf returns a GUID that follows from names, so that a repeated step
// writes the same.
func guidOf(names ...string) string {
	h := agentops.NewID(names...)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
