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
	tag, expires, err := t.retention(job, cut)
	if err != nil {
		return nil, err
	}
	point := &backup.RecoveryPoint{
		Meta: backup.Meta{ID: job.InstanceID + "/recoveryPoints/" + job.RecoveryPointID, System: backup.SystemData{CreatedAt: t.now}},
		Time: cut, Expires: expires, Partial: len(o.Warnings) > 0,
		PolicyID: job.PolicyID, Tag: tag, TagVersion: strconv.FormatInt(ticks(t.now), 10), JobID: job.ID,
		Stores: []backup.RecoveryStore{{
			ID: guidOf(job.RecoveryPointID, string(backup.TierOperational)), Tier: backup.TierOperational,
			Created: cut, Expires: expires, ContainerID: ref.Container, Prefix: prefixOf(ref.Repository),
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

// retention returns the retention rule a backup falls under and when its
// recovery point expires: never, when the policy is gone meanwhile.
func (t *turn) retention(job *backup.Job, cut time.Time) (tag string, expires time.Time, err error) {
	policy, err := inventory.Policies.Get(t.tx, job.PolicyID)
	if errors.Is(err, catalog.ErrNotFound) {
		return job.Tag, time.Time{}, nil
	}
	if err != nil {
		return "", time.Time{}, err
	}
	rule, ok := policy.RetentionRule(job.Tag)
	if !ok {
		if rule, ok = policy.DefaultRetention(); !ok {
			return job.Tag, time.Time{}, nil
		}
	}
	stay, ok := rule.Retention.In(backup.TierOperational)
	if !ok {
		return rule.Name, time.Time{}, nil
	}
	period, err := backup.ParsePeriod(stay.DeleteAfter)
	if err != nil {
		return "", time.Time{}, err
	}
	return rule.Name, period.After(cut), nil
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
