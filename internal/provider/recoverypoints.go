package provider

import (
	"context"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const recoveryPointPath = instancePath + "/recoveryPoints/{recoveryPoint}"

func (p *Provider) recoveryPoints() arm.Type {
	return arm.Type{
		Name: typeInstance + "/recoveryPoints", Path: recoveryPointPath, MinVersion: minBackupVersion,
		Get:   p.getRecoveryPoint,
		Lists: []arm.List{{Path: instancePath + "/recoveryPoints", Handler: p.listRecoveryPoints}},
	}
}

func (p *Provider) getRecoveryPoint(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var point *backup.RecoveryPoint
	err := p.Store.View(ctx, func(tx catalog.Tx) (err error) {
		// Those of a deleted instance are there, and not to be seen.
		if _, err = inventory.Instances.Get(tx, r.ID.Parent().String()); err != nil {
			return err
		}
		point, err = inventory.RecoveryPoints.Get(tx, r.ID.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.OK(recoveryPointTo(point)), nil
}

// listRecoveryPoints lists newest first: the ids count down with time.
func (p *Provider) listRecoveryPoints(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	return p.pagePoints(ctx, r, inventory.RecoveryPoints, func(tx catalog.Tx) (string, error) {
		instance, err := inventory.Instances.Get(tx, r.ID.String())
		if err != nil {
			return "", err
		}
		return instance.ID, nil
	})
}

// points is a collection of recovery points.
type points = inventory.Collection[backup.RecoveryPoint, *backup.RecoveryPoint]

// pagePoints answers with a page of the recovery points of an instance, newest
// first; of looks for the instance and returns its id.
func (p *Provider) pagePoints(ctx context.Context, r *arm.Request, in points, of func(catalog.Tx) (string, error)) (*arm.Response, error) {
	f, err := readFilter(r, "startDate", "endDate")
	if err != nil {
		return nil, err
	}
	start, end, err := f.span("startDate", "endDate")
	if err != nil {
		return nil, err
	}
	var found []backup.RecoveryPoint
	var next string
	err = p.Store.View(ctx, func(tx catalog.Tx) error {
		id, err := of(tx)
		if err != nil {
			return err
		}
		found, next, err = in.Page(tx, id, r.After(), r.Limit())
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []v1.RecoveryPoint
	for i := range found {
		if t := found[i].Time; !t.Before(start) && !t.After(end) {
			out = append(out, recoveryPointTo(&found[i]))
		}
	}
	return arm.Page(r, out, v1.RecoveryPoint.ResourceID, next)
}

// recoveryPointTo shows a recovery point.
func recoveryPointTo(p *backup.RecoveryPoint) v1.RecoveryPoint {
	state := "Completed"
	if p.Partial || damagedEverywhere(p) {
		state = "Partial"
	}
	out := v1.RecoveryPoint{Resource: envelope(&p.Meta), Properties: &v1.RecoveryPointProperties{
		ObjectType: v1.ObjectRecoveryPoint, RecoveryPointID: p.Name(), FriendlyName: p.Name(),
		RecoveryPointTime: arm.FormatTime(p.Time), RecoveryPointType: "Incremental", RecoveryPointState: state,
		RetentionTagName: p.Tag, RetentionTagVersion: p.TagVersion, PolicyName: nameOf(p.PolicyID),
		ExpiryTime:                     optionalTime(p.Expires),
		RecoveryPointDataStoresDetails: show(p.Stores, recoveryStoreTo),
		HoldfastContents: &v1.RecoveryPointContents{Objects: p.Objects, Namespaces: p.Namespaces,
			Volumes: show(p.Volumes, recoveryVolumeTo)},
	}}
	out.SystemData = nil // it is the service's own
	return out
}

func recoveryStoreTo(s *backup.RecoveryStore) v1.RecoveryPointStore {
	return v1.RecoveryPointStore{ID: s.ID, Type: string(s.Tier), CreationTime: arm.FormatTime(s.Created),
		ExpiryTime: optionalTime(s.Expires), State: "COMMITTED", Visible: true,
		HoldfastLeftOutVolumes: show(s.LeftOut, recoveryVolumeTo), HoldfastRoot: s.Root, HoldfastDeletion: deletionTo(s.Going), HoldfastDamage: damageTo(s.Damage)}
}

func damageTo(d *backup.Damage) *v1.RecoveryPointDamage {
	if d == nil {
		return nil
	}
	return &v1.RecoveryPointDamage{Code: string(d.Reason), Found: arm.FormatTime(d.Found), Objects: d.Objects, Volumes: append([]string{}, d.Volumes...)}
}

// damagedEverywhere says that no place of a recovery point has all of it.
func damagedEverywhere(p *backup.RecoveryPoint) bool {
	for _, s := range p.Stores {
		if s.Damage == nil {
			return false
		}
	}
	return len(p.Stores) > 0
}

func recoveryVolumeTo(v *backup.RecoveryVolume) v1.RecoveryPointVolume {
	return v1.RecoveryPointVolume{Namespace: v.Namespace, Claim: v.Claim, Protected: v.Protected, ReasonCode: v.Reason, SizeBytes: v.SizeBytes}
}
