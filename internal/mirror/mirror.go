// Package mirror keeps in the catalog what lies in the stores of replicas, as far
// as restores from there must know it: vaults, instances and recovery points of
// other regions. It reads the stores and the key provider and nothing else, so
// it goes on when the first region is gone; it writes nothing to a store.
//
//	marks ── repositories ── names of manifests ── those that are new: keepsake
//
// What the stores do not have any more is forgotten. A store that cannot answer
// changes nothing: what is known stays known.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/layout"
	"holdfast.dev/holdfast/internal/rescue"
	"holdfast.dev/holdfast/internal/rescue/rebuild"
	"holdfast.dev/holdfast/internal/workflow"
)

// Config is what a mirror needs; everything is required.
type Config struct {
	Store   catalog.Store
	Log     *slog.Logger
	Keys    keys.Provider
	Regions backup.Regions
	// Replicas are the stores, by region, for reading.
	Replicas map[string]objstore.Store
	// Every is the pause between two looks.
	Every time.Duration
}

// Mirror refreshes the catalog from the stores.
type Mirror struct{ Config }

// New returns a mirror.
func New(c Config) *Mirror { return &Mirror{c} }

// Run refreshes now and then until ctx ends. What fails is tried again at the next
// look.
func (m *Mirror) Run(ctx context.Context) error {
	ticks := time.NewTicker(m.Every)
	defer ticks.Stop()
	for {
		for region := range m.Replicas {
			if err := m.Refresh(ctx, region); err != nil && ctx.Err() == nil {
				m.Log.Debug("the replicas could not be read wholly", "region", region, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// Refresh looks into the store of a region once. One repository after the other is
// asked, by one listing of its manifests; a manifest is read once only. What
// fails in one does not stop the others, and is kept for those who ask for what is
// not known because of it.
func (m *Mirror) Refresh(ctx context.Context, region string) error {
	err := m.refresh(ctx, region)
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, m.note(ctx, region, err))
}

// note keeps why a region could not be read wholly, or that it could, and says so when
// it is news.
func (m *Mirror) note(ctx context.Context, region string, why error) error {
	now := backup.RegionView{Meta: backup.Meta{ID: backup.RegionViewID(region)}, Problem: problemOf(region, why)}
	same := false
	err := m.Store.View(ctx, func(tx catalog.Tx) error {
		old, err := inventory.SecondaryRegions.Get(tx, now.ID)
		if errors.Is(err, catalog.ErrNotFound) {
			old, err = &backup.RegionView{}, nil
		}
		same = err == nil && (old.Problem == nil) == (why == nil) && (why == nil || old.Problem.Code == now.Problem.Code)
		return err
	})
	if err != nil || same {
		return err
	}
	if why != nil {
		m.Log.Warn("the replicas could not be read wholly", "region", region, "code", string(now.Problem.Code), "error", why)
	} else {
		m.Log.Info("the replicas are read", "region", region)
	}
	return m.Store.Update(ctx, func(tx catalog.Tx) error { return inventory.SecondaryRegions.Put(tx, &now) })
}

func problemOf(region string, why error) *backup.Problem {
	if why == nil {
		return nil
	}
	code := backup.CodeVaultStoreUnreachable
	if workflow.KeyRefused(why) {
		code = backup.CodeReplicaKeyRefused
	}
	first, _, _ := strings.Cut(why.Error(), "\n")
	return backup.NewProblem(code, region, "what lies in the store of the replicas in region %s could not be read wholly: %s", region, first)
}

func (m *Mirror) refresh(ctx context.Context, region string) error {
	store := m.Replicas[region]
	there := map[string]bool{} // prefixes
	var failed []error
	for info, err := range store.List(ctx, workflow.ReplicaMarks) {
		if err != nil {
			return fmt.Errorf("list the replicas in %s: %w", region, err)
		}
		if prefix, ok := workflow.PrefixOfMark(info.Name); ok {
			there[prefix] = true
		}
	}
	known, err := m.known(ctx, region)
	if err != nil {
		return err
	}
	for prefix := range there {
		if err := m.repository(ctx, region, prefix, known[prefix]); err != nil {
			failed = append(failed, fmt.Errorf("replica %s: %w", prefix, err))
		}
	}
	for prefix, k := range known {
		if !there[prefix] {
			failed = append(failed, m.forget(ctx, k, nil))
		}
	}
	return errors.Join(failed...)
}

// one is what the catalog knows of a repository.
type one struct {
	instance backup.Instance
	newest   time.Time         // of its recovery points
	points   map[string]string // name of a recovery point to its id
}

// known reads what the catalog has of a region, by prefix.
func (m *Mirror) known(ctx context.Context, region string) (map[string]*one, error) {
	all := map[string]*one{}
	err := m.Store.View(ctx, func(tx catalog.Tx) error {
		vaults, err := inventory.SecondaryVaults.Below(tx, "")
		if err != nil {
			return err
		}
		for i := range vaults {
			if m.Regions.PairOf(vaults[i].Location) != region {
				continue
			}
			instances, err := inventory.SecondaryInstances.Below(tx, vaults[i].ID)
			if err != nil {
				return err
			}
			for _, instance := range instances {
				points, err := inventory.SecondaryPoints.Below(tx, instance.ID)
				if err != nil {
					return err
				}
				k := &one{instance: instance, points: map[string]string{}}
				for j := range points {
					k.points[points[j].Name()] = points[j].ID
					if points[j].Time.After(k.newest) {
						k.newest = points[j].Time
					}
				}
				all[workflow.VaultPrefix(&vaults[i], instance.UID)] = k
			}
		}
		return nil
	})
	return all, err
}

// repository brings what is known of one repository up to date; k is nil when
// nothing is.
func (m *Mirror) repository(ctx context.Context, region, prefix string, k *one) error {
	store := m.Replicas[region]
	if k == nil {
		k = &one{}
	}
	var fresh []string
	left := map[string]bool{}
	for info, err := range store.List(ctx, prefix+layout.Manifests) {
		if err != nil {
			return err
		}
		id, err := layout.Parse(prefix+layout.Manifests, info.Name)
		if err != nil {
			continue // not ours to judge
		}
		left[id.String()] = true
		if k.points[id.String()] == "" {
			fresh = append(fresh, id.String())
		}
	}
	return errors.Join(m.forget(ctx, k, left), m.enter(ctx, region, prefix, k, fresh))
}

// forget removes the recovery points that are not among those left; with a nil
// left, all and the instance.
func (m *Mirror) forget(ctx context.Context, k *one, left map[string]bool) error {
	var gone []string
	for name, id := range k.points {
		if !left[name] {
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 && (left != nil || k.instance.ID == "") {
		return nil
	}
	return m.Store.Update(ctx, func(tx catalog.Tx) error {
		for _, id := range gone {
			if err := absent(inventory.SecondaryPoints.Delete(tx, id)); err != nil {
				return err
			}
		}
		if left != nil {
			return nil
		}
		if err := absent(inventory.SecondaryInstances.Delete(tx, k.instance.ID)); err != nil {
			return err
		}
		others, err := inventory.SecondaryInstances.Below(tx, k.instance.VaultID())
		if err != nil || len(others) > 0 {
			return err
		}
		return errors.Join(absent(inventory.SecondaryVaults.Delete(tx, k.instance.VaultID())), forgetIdentity(tx, k.instance.UserIdentityID))
	})
}

// forgetIdentity removes an identity that no vault has any more.
func forgetIdentity(tx catalog.Tx, id string) error {
	if id == "" {
		return nil
	}
	vaults, err := inventory.SecondaryVaults.Below(tx, "")
	if err != nil || slices.ContainsFunc(vaults, func(v backup.Vault) bool { return v.Identity.Has(id) }) {
		return err
	}
	return absent(inventory.SecondaryIdentities.Delete(tx, id))
}

func absent(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}

// batch is how many manifests are held at a time.
const batch = 100

// enter reads manifests that are new and enters what they tell.
func (m *Mirror) enter(ctx context.Context, region, prefix string, k *one, fresh []string) error {
	if len(fresh) == 0 {
		return nil
	}
	opened, err := rescue.Open(ctx, m.Replicas[region], rescue.Place{Prefix: prefix}, rescue.Wrapped(m.Keys))
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }() // nothing was written through it
	var failed []error
	for len(fresh) > 0 {
		n := min(batch, len(fresh))
		var points []rescue.Point
		for _, id := range fresh[:n] {
			manifest, err := opened.Manifest(ctx, id)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			points = append(points, rescue.Point{ID: id, In: opened, Manifest: manifest})
		}
		fresh = fresh[n:]
		plan := rebuild.Make(points, time.Time{}) // no grace: the first region decides about deletion
		if slices.ContainsFunc(plan.Vaults, func(v backup.Vault) bool { return !backup.SameRegion(m.Regions.PairOf(v.Location), region) }) {
			return errors.Join(failed...) // the vault is replicated into another region now: that one has it
		}
		failed = append(failed, m.write(ctx, plan, k))
	}
	return errors.Join(failed...)
}

// write enters a plan. The newest recovery point decides about vault and instance.
func (m *Mirror) write(ctx context.Context, plan rebuild.Plan, k *one) error {
	newer := false
	for i := range plan.Points {
		if !plan.Points[i].Time.Before(k.newest) {
			newer, k.newest = true, plan.Points[i].Time
		}
	}
	return m.Store.Update(ctx, func(tx catalog.Tx) error {
		for i := range plan.Subscriptions {
			if err := addTo(tx, inventory.Subscriptions, &plan.Subscriptions[i]); err != nil {
				return err
			}
		}
		for i := range plan.Groups {
			if err := addTo(tx, inventory.ResourceGroups, &plan.Groups[i]); err != nil {
				return err
			}
		}
		for i := range plan.Points {
			if err := inventory.SecondaryPoints.Put(tx, &plan.Points[i]); err != nil {
				return err
			}
		}
		if !newer {
			return nil
		}
		for i := range plan.Vaults {
			if err := inventory.SecondaryVaults.Put(tx, &plan.Vaults[i]); err != nil {
				return err
			}
		}
		for i := range plan.Identities {
			if err := inventory.SecondaryIdentities.Put(tx, &plan.Identities[i]); err != nil {
				return err
			}
		}
		for i := range plan.Instances {
			if err := inventory.SecondaryInstances.Put(tx, &plan.Instances[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// addTo writes a document where there is none.
func addTo[T any, P interface {
	*T
	Base() *backup.Meta
}](tx catalog.Tx, in inventory.Collection[T, P], doc P) error {
	_, err := in.Get(tx, doc.Base().ID)
	if !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	return in.PutIf(tx, doc, catalog.IfAbsent)
}
