package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/mirror"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

// maxRegions is the largest file of regions that is read, in bytes.
const maxRegions = 1 << 20

// regionsFile is the file of --regions.
type regionsFile struct {
	Regions []struct {
		Name         string `json:"name"`
		PairedRegion string `json:"pairedRegion"`
		// ReplicaStore is where the vaults lie that are replicated into the region.
		ReplicaStore *struct {
			URL     string `json:"url"`
			Account string `json:"account"`
			KeyFile string `json:"keyFile"`
		} `json:"replicaStore"`
	} `json:"regions"`
}

// regions are those of the file, and where the stores of replicas are.
type regions struct {
	backup.Regions
	stores map[string]location.Location
}

// readRegions reads the file of regions; there are none without one.
func (o Options) readRegions() (r regions, err error) {
	r.stores = map[string]location.Location{}
	if o.RegionsFile == "" {
		return r, nil
	}
	if err := r.read(o.RegionsFile); err != nil {
		return regions{}, fmt.Errorf("regions in %s: %w", o.RegionsFile, err)
	}
	own, err := o.vaultLocation()
	if err != nil {
		return regions{}, err
	}
	taken := map[string]string{trimmed(own.URL): "the store of the vaults (--vault-store)"}
	for name, at := range r.stores {
		if other, twice := taken[trimmed(at.URL)]; twice {
			return regions{}, fmt.Errorf("regions in %s: the replicaStore of %s is also %s: replicas must not share the fate of what they replicate; give it a store of its own", o.RegionsFile, name, other)
		}
		taken[trimmed(at.URL)] = "the replicaStore of " + name
	}
	return r, nil
}

func trimmed(url string) string { return strings.TrimSuffix(url, "/") }

func (r *regions) read(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return plain(err)
	}
	if info.Size() > maxRegions {
		return fmt.Errorf("the file has %d bytes, more than %d", info.Size(), maxRegions)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return plain(err)
	}
	var file regionsFile
	if err := yaml.UnmarshalStrict(content, &file); err != nil {
		return fmt.Errorf("%w; see docs/guide/regions.md for the form", err)
	}
	if len(file.Regions) == 0 {
		return errors.New("there is no region in it; list them under the key regions")
	}
	for _, one := range file.Regions {
		if s := one.ReplicaStore; s != nil {
			at := location.Location{URL: s.URL, Account: s.Account}
			if s.URL == "" {
				return fmt.Errorf("the replicaStore of region %s has no url", one.Name)
			}
			if s.KeyFile != "" {
				key, err := os.ReadFile(s.KeyFile)
				if err != nil {
					return fmt.Errorf("key of the replicaStore of %s: %w", one.Name, plain(err))
				}
				at.Key = strings.TrimSpace(string(key))
			}
			r.stores[one.Name] = at
		}
		r.Regions = append(r.Regions, backup.Region{Name: one.Name, Paired: one.PairedRegion, Replicas: one.ReplicaStore != nil})
	}
	if p := r.Check(); p != nil {
		return p
	}
	return nil
}

// open opens the stores of replicas when they are first needed: one that cannot be
// reached must not keep the service of another region from starting.
func (r regions) open() map[string]objstore.Store {
	stores := map[string]objstore.Store{}
	for name, at := range r.stores {
		stores[name] = wrap.Deferred(func(ctx context.Context) (objstore.Store, error) {
			store, err := location.Open(ctx, at)
			if err != nil {
				return nil, fmt.Errorf("replicaStore of region %s: %w", name, err)
			}
			return store, nil
		})
	}
	return stores
}

// mirror reads what is new in the stores of replicas into the catalog.
func (s *Service) mirror(r regions, stores map[string]objstore.Store, provider keys.Provider) *mirror.Mirror {
	reading := map[string]objstore.Store{}
	for name, store := range stores {
		reading[name] = wrap.ReadOnly(store)
	}
	return mirror.New(mirror.Config{Store: s.store, Log: s.Log, Keys: provider, Regions: r.Regions, Replicas: reading, Every: s.replicaRefresh()})
}

// replicaRefresh is how often the stores of replicas are looked into.
const replicaRefresh = time.Minute

func (o Options) replicaRefresh() time.Duration {
	if o.ReplicaRefresh > 0 {
		return o.ReplicaRefresh
	}
	return replicaRefresh
}
