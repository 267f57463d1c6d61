package service

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast.dev/holdfast/internal/agenthub"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/objstore/wrap"
	"holdfast.dev/holdfast/internal/repo/layout"
	"holdfast.dev/holdfast/internal/workflow"
)

// newGate makes the gate before vaults and the replicas in other regions, which can
// only be read, and what issues grants for it.
func (s *Service) newGate(vaults objstore.Store, replicas map[string]objstore.Store, agents agenthub.Registrar) (*gate.Gate, *grants.Issuer, error) {
	signing, err := loadGrantKeys(s.path("tls"), s.signIn())
	if err != nil {
		return nil, nil, err
	}
	issuer, err := grants.NewIssuer(grants.Config{Keys: signing, Clock: s.signIn(), URL: s.AgentAddress, CA: s.ca})
	if err != nil {
		return nil, nil, err
	}
	stores := gateStores{workflow.VaultStore: vaults}
	for region, store := range replicas {
		stores[workflow.ReplicaStore(region)] = wrap.ReadOnly(store)
	}
	return gate.New(gate.Config{
		Issuer: issuer, Stores: stores, Operations: gateOperations{s.store, s.Clock}, Certificates: gateClusters{agents},
		Names: gate.RepositoryNames, Clock: s.Clock, Log: s.Log,
	}), issuer, nil
}

// gateStores are the stores behind the gate, by what grants call them.
type gateStores map[string]objstore.Store

// Open finds a store.
func (g gateStores) Open(_ context.Context, ref string) (objstore.Store, error) {
	store, ok := g[ref]
	if !ok {
		return nil, fmt.Errorf("store %q of a grant: %w", ref, objstore.ErrNoBucket)
	}
	return store, nil
}

// gateOperations asks the catalog for the operations of grants.
type gateOperations struct {
	store catalog.Store
	clock clock.Clock
}

// Alive says whether an operation may go on.
func (g gateOperations) Alive(ctx context.Context, id string) (alive bool, err error) {
	err = g.store.View(ctx, func(tx catalog.Tx) error {
		o, err := agentops.Get(tx, id)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil
		}
		alive = err == nil && o.State != agentops.Finished && !o.CancelRequested && g.clock.Now().Before(o.Deadline)
		return err
	})
	return alive, err
}

// gateClusters names the clusters of agents' certificates.
type gateClusters struct{ agents agenthub.Registrar }

// Cluster checks a certificate and names its cluster.
func (g gateClusters) Cluster(ctx context.Context, certificate *x509.Certificate) (string, error) {
	agent, err := g.agents.Identify(ctx, certificate)
	return agent.ClusterID, err
}

// vaultLocation is where the vaults lie: a folder of the data directory when
// nothing else is said.
func (o Options) vaultLocation() (location.Location, error) {
	if o.VaultStore == "" {
		absolute, err := filepath.Abs(o.path("vaults"))
		return location.Location{URL: "file://" + absolute}, err
	}
	at := location.Location{URL: o.VaultStore, Account: o.VaultStoreAccount, Key: o.VaultStoreKey}
	if o.VaultStoreKeyFile != "" {
		key, err := os.ReadFile(o.VaultStoreKeyFile)
		if err != nil {
			return location.Location{}, fmt.Errorf("key of the vault store: %w", err)
		}
		at.Key = strings.TrimSpace(string(key))
	}
	return at, nil
}

// maxCached is how many bytes of index segments are kept near the service.
const maxCached = 1 << 30

// cached keeps the index segments of vaults near, for collections and whatever
// else the service does there itself. Nothing that says by its being there that
// a recovery point exists is cached.
func (o Options) cached(vaults objstore.Store) (objstore.Store, error) {
	cache, err := wrap.NewCache(o.path("cache"), maxCached)
	if err != nil {
		return nil, fmt.Errorf("cache of the vaults: %w", err)
	}
	return cache.Store(vaults, "vaults", func(name string) bool { return strings.Contains(name, "/"+layout.Indexes) }), nil
}

// openVaults opens the store of all vaults. The folder of the data directory is
// made; what a person named must exist.
func (o Options) openVaults(ctx context.Context) (objstore.Store, error) {
	at, err := o.vaultLocation()
	if err != nil {
		return nil, err
	}
	if o.VaultStore == "" {
		if err := os.MkdirAll(o.path("vaults"), 0o700); err != nil {
			return nil, fmt.Errorf("folder of the vaults: %w", err)
		}
	}
	store, err := location.Open(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("vault store: %w", err)
	}
	return store, nil
}
