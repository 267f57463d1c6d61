package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/objstore/wrap"
	"holdfast.dev/holdfast/internal/rescue"
	"holdfast.dev/holdfast/internal/rescue/rebuild"
)

// RescueOptions say from where the catalog is rebuilt, beside the store of the
// vaults that Options name.
type RescueOptions struct {
	Stores []location.Location // containers of the operational tier
	Merge  bool                // add to a catalog that has vaults already
	Dry    bool                // only tell
}

// Rescued is what a rescue did, or would do.
type Rescued struct {
	Steps []rebuild.Step
	// Untold are sentences about what the buckets do not tell, or what could not
	// be read.
	Untold []string
}

// Rescue rebuilds the catalog from the buckets and the key provider: vaults,
// policies, instances and recovery points. It adds what is missing and writes
// over nothing, so it may be repeated. The protection of instances is stopped until
// somebody resumes it. The service must not be running. Nothing
// is written to a bucket.
func Rescue(ctx context.Context, o Options, r RescueOptions) (Rescued, error) {
	set, err := o.keySet(false)
	if err != nil {
		return Rescued{}, fmt.Errorf("%w; put the copy of the key file back, or name the key provider: nothing can be read without it", err)
	}
	stores, err := o.rescueStores(ctx, r.Stores)
	if err != nil {
		return Rescued{}, err
	}
	var result Rescued
	var points []rescue.Point
	for _, store := range stores {
		opened, err := lookInto(ctx, store, set, &result)
		for _, one := range opened {
			defer one.Close() //nolint:errcheck // nothing was written through it
		}
		if err != nil {
			return result, err
		}
		for _, one := range opened {
			found, err := one.Points(ctx)
			if err != nil {
				return result, fmt.Errorf("repository %s: %w", one.Place, err)
			}
			points = append(points, found...)
		}
	}
	plan := rebuild.Make(points, o.Clock.Now()).Stopped()
	result.Untold = append(result.Untold, plan.Untold...)
	result.Steps, err = o.apply(ctx, plan, r, set)
	return result, err
}

// rescueStores opens the store of the vaults and the others, for reading.
func (o Options) rescueStores(ctx context.Context, more []location.Location) (stores []objstore.Store, err error) {
	at, err := o.vaultLocation()
	if err != nil {
		return nil, err
	}
	for i, one := range append([]location.Location{at}, more...) {
		store, err := location.Open(ctx, one)
		if i == 0 && o.VaultStore == "" && len(more) > 0 && errors.Is(err, objstore.ErrNoBucket) {
			continue // the folder of the data directory, that nobody named
		}
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", one, err)
		}
		stores = append(stores, wrap.ReadOnly(store))
	}
	return stores, nil
}

// lookInto opens every repository in a store. One whose key is gone is told of.
func lookInto(ctx context.Context, store objstore.Store, provider keys.Provider, result *Rescued) (opened []*rescue.Opened, err error) {
	places, err := rescue.Find(ctx, store, "", nil)
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		one, err := rescue.Open(ctx, store, place, rescue.Wrapped(provider))
		if ctx.Err() != nil || errors.Is(err, objstore.ErrUnavailable) || errors.Is(err, objstore.ErrForbidden) || errors.Is(err, keys.ErrUnavailable) {
			return opened, err
		}
		if err != nil {
			result.Untold = append(result.Untold, fmt.Sprintf("repository %s is left out: %v", place, err))
			continue
		}
		for _, note := range one.Notes {
			result.Untold = append(result.Untold, fmt.Sprintf("repository %s: %s The service needs it: put it back first.", place, note))
		}
		opened = append(opened, one)
	}
	return opened, nil
}

// apply carries a plan out while no service runs.
func (o Options) apply(ctx context.Context, plan rebuild.Plan, r RescueOptions, set keys.Set) (steps []rebuild.Step, err error) {
	to := rebuild.Options{Merge: r.Merge, Dry: r.Dry}
	var d *data
	switch {
	case r.Dry:
		if d, err = openBeside(ctx, o); errors.Is(err, fs.ErrNotExist) {
			return plan.Apply(ctx, to)
		}
	default:
		release, locked := o.lock()
		if locked != nil {
			return nil, locked
		}
		defer release()
		d, err = openData(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	ring := keys.NewRing(d.store, set)
	to.Store = d.store
	to.Adopt = func(ctx context.Context, k rebuild.Key) (bool, error) { return ring.Adopt(ctx, k.Name, k.In.Store()) }
	steps, err = plan.Apply(ctx, to)
	if err == nil && !r.Dry {
		err = o.forgetAdmin(ctx, d.store)
	}
	return steps, errors.Join(err, d.db.Close())
}

// forgetAdmin puts aside an administrator of the lost catalog, who cannot sign in
// any more: the next start makes another only where there is none.
func (o Options) forgetAdmin(ctx context.Context, store catalog.Store) error {
	var known []inventory.ServicePrincipal
	err := store.View(ctx, func(tx catalog.Tx) (err error) {
		known, err = inventory.AllServicePrincipals(tx)
		return err
	})
	if err != nil || len(known) > 0 {
		return err
	}
	err = os.Rename(o.path("admin.json"), o.path("admin.json.lost"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
