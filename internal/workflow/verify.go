package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo"
)

// verified is what verifying one repository found.
type verified struct {
	report   repo.VerifyReport
	damaged  []string // names of recovery points that cannot be restored completely
	absent   map[string]error
	damage   map[string]*backup.Damage // by name of the recovery point
	readAll  bool                      // every byte was read
	dry      bool                      // nothing is to be done about it
	warnings []backup.Warning
	untold   int // warnings beyond those
}

// verifyAt verifies a repository, and that it has what the catalog says it has. An error means that it could not be looked at.
func (w *Workflow) verifyAt(ctx context.Context, at *backup.VaultedPoint, o repo.VerifyOptions) (verified, error) {
	before, err := w.pointsAt(ctx, at)
	if err != nil {
		return verified{}, err
	}
	repository, err := w.openVaulted(ctx, at)
	if errors.Is(err, repo.ErrNoRepository) || errors.Is(err, catalog.ErrNotFound) || hopeless(err) {
		return w.unreadable(ctx, at, before, err)
	}
	if err != nil {
		return verified{}, err
	}
	defer func() { _ = repository.Close() }() // nothing was written through it
	absent, err := compare(ctx, repository, before)
	if err != nil {
		return verified{}, err
	}
	report, err := repository.VerifyPoints(ctx, o)
	if err == nil && len(report.Findings) > 0 { // not a moment between two steps of somebody else
		report, err = repository.VerifyPoints(ctx, o)
	}
	if err != nil {
		return verified{}, err
	}
	v, err := w.judge(ctx, at, report, absent)
	v.readAll = o.Share == 1
	return v, err
}

// unreadable is what is found when the repository as a whole cannot be read:
// nothing, as long as nothing should be in it.
func (w *Workflow) unreadable(ctx context.Context, at *backup.VaultedPoint, before map[string]string, why error) (verified, error) {
	absent := map[string]error{}
	for point := range before {
		absent[point] = why
	}
	return w.judge(ctx, at, repo.VerifyReport{}, absent)
}

// pointsAt are the recovery points that the catalog has in a repository, with their
// roots: what is in the vault and, of its replica, what was replicated to the end. A
// replica that outlives its recovery point has no root.
func (w *Workflow) pointsAt(ctx context.Context, at *backup.VaultedPoint) (map[string]string, error) {
	roots := map[string]string{}
	err := w.Store.View(ctx, func(tx catalog.Tx) error {
		points, err := inventory.RecoveryPoints.Below(tx, at.InstanceID)
		for i := range points {
			if store, vaulted := points[i].Store(backup.TierVault); vaulted {
				roots[points[i].Name()] = store.Root
			}
		}
		if err != nil || at.Region == "" {
			return err
		}
		replicas, err := inventory.Replicas.Below(tx, at.InstanceID)
		there := map[string]string{}
		for i := range replicas {
			if !replicas[i].Done.IsZero() && replicas[i].Region == at.Region {
				there[replicas[i].Name()] = roots[replicas[i].Name()]
			}
		}
		roots = there
		return err
	})
	return roots, err
}

// errReplaced means that a recovery point has not the content that was stored.
var errReplaced = errors.New("its content is not what was stored")

// compare finds the recovery points that are not in the repository, or are others.
// Damaged ones are left to those who verify.
func compare(ctx context.Context, in *repo.Repository, roots map[string]string) (map[string]error, error) {
	absent := map[string]error{}
	for point, root := range roots {
		m, err := in.Manifest(ctx, point)
		switch {
		case errors.Is(err, repo.ErrNoRecoveryPoint), errors.Is(err, repo.ErrVoid):
			absent[point] = err
		case errors.Is(err, repo.ErrDamaged), errors.Is(err, repo.ErrVersion):
		case err != nil:
			return nil, err
		case root != "" && m.Root != root:
			absent[point] = errReplaced
		}
	}
	return absent, nil
}

// judge makes warnings of what was found. What the catalog has forgotten
// meanwhile was deleted, and is no loss.
func (w *Workflow) judge(ctx context.Context, at *backup.VaultedPoint, report repo.VerifyReport, absent map[string]error) (verified, error) {
	after, err := w.pointsAt(ctx, at)
	if err != nil {
		return verified{}, err
	}
	v := verified{report: report, damaged: report.Damaged(), absent: map[string]error{}, damage: map[string]*backup.Damage{}}
	for point, why := range absent {
		if _, still := after[point]; still {
			v.damaged, v.absent[point] = append(v.damaged, point), why
			v.add(at, affected{Affected: repo.Affected{Point: point}, code: absenceOf(why), why: why})
		}
	}
	for _, f := range report.Findings {
		v.find(at, f)
	}
	return v, nil
}

func absenceOf(err error) backup.Code {
	switch {
	case errors.Is(err, errReplaced):
		return backup.CodeVaultPointReplaced
	case hopeless(err):
		return reasonOf(err)
	default:
		return backup.CodeVaultPointMissing
	}
}

// reasonOf is the code of what is wrong with stored data.
func reasonOf(err error) backup.Code {
	switch {
	case errors.Is(err, repo.ErrVersion):
		return backup.CodeVaultDataVersion
	case errors.Is(err, objstore.ErrNotFound):
		return backup.CodeVaultDataMissing
	case errors.Is(err, repo.ErrDamaged), errors.Is(err, repo.ErrWrongKey):
		return backup.CodeVaultDataDamaged
	default:
		return backup.CodeVaultStoreUnreachable
	}
}

// affected is one who suffers, from what.
type affected struct {
	repo.Affected
	code backup.Code
	why  error
}

// find makes a warning for everybody who suffers from a finding.
func (v *verified) find(at *backup.VaultedPoint, f repo.Finding) {
	if len(f.Affected) == 0 {
		v.warn(backup.Warning{Resource: cmp.Or(f.Object, "index"), Problem: *backup.NewProblem(backup.CodeVaultSpareDamage, at.InstanceID,
			"an object in %s is damaged, and everything can be restored without it: %v", placeName(at), f.Err)})
		return
	}
	for _, a := range f.Affected {
		v.add(at, affected{a, reasonOf(f.Err), f.Err})
	}
}

// add names the recovery point, and the volume or the archive in it.
func (v *verified) add(at *backup.VaultedPoint, a affected) {
	if v.damage[a.Point] == nil {
		v.damage[a.Point] = &backup.Damage{Reason: a.code}
	}
	v.damage[a.Point].Add(a.Volume)
	id := at.InstanceID + "/recoveryPoints/" + a.Point
	resource, what := "recoveryPoints/"+a.Point, "recovery point "+a.Point
	switch {
	case a.Volume != "":
		resource, what = resource+" volume "+a.Volume, "volume "+a.Volume+" of "+what
	case a.Stream != "":
		resource, what = resource+" "+a.Stream, "stream "+a.Stream+" of "+what
	}
	if at.Region != "" {
		resource += " in " + at.Region
	}
	v.warn(backup.Warning{Resource: resource, Problem: *backup.NewProblem(a.code, id, "%s cannot be restored completely from %s: %s", what, placeName(at), oneLine(a.why))})
}

// mostWarnings bounds what a verification tells.
const mostWarnings = 1000

func (v *verified) warn(one backup.Warning) {
	if len(v.warnings) == mostWarnings {
		v.untold++
		return
	}
	v.warnings = append(v.warnings, one)
}

// findings is how many things were found, told or not.
func (v *verified) findings() int { return len(v.warnings) + v.untold }

func oneLine(err error) string { return strings.ReplaceAll(fmt.Sprint(err), "\n", "; ") }
