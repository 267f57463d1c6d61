package service

import (
	"context"
	"errors"
	"fmt"
	"net"

	"holdfast.dev/holdfast/internal/agenthub"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/hosting"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/wrap"
	"holdfast.dev/holdfast/internal/signin/agentcert"
	"holdfast.dev/holdfast/internal/workflow"
)

// Service is holdfastd, ready to run.
type Service struct {
	Options
	*data
	identity
	URL          string // of the public API
	AgentAddress string // that agents call

	release  func()
	public   net.Listener
	agents   net.Listener
	services []hosting.Service
}

// Open makes everything ready: it takes the data directory, or with PostgreSQL
// shares it with other replicas, brings the database up to date, listens, and on
// the first start makes tenant, subscription and administrator. Close it when it
// is not run.
func Open(ctx context.Context, o Options) (s *Service, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s = &Service{Options: o}
	if s.release, err = o.lock(); err != nil {
		return nil, err
	}
	if s.data, err = openData(ctx, o); err == nil {
		// One replica after the other: the first makes keys, tenant and administrator.
		err = s.db.Alone(ctx, s.open)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Service) open(ctx context.Context) (err error) {
	if s.identity, err = loadIdentity(s.Options); err != nil {
		return err
	}
	if err := s.writeCA(s.path("ca.crt")); err != nil {
		return err
	}
	if s.public, err = net.Listen("tcp", s.Listen); err != nil {
		return fmt.Errorf("public API: %w", err)
	}
	if s.agents, err = net.Listen("tcp", s.AgentListen); err != nil {
		return fmt.Errorf("agent API: %w", err)
	}
	s.URL, s.AgentAddress = s.urls(s.public)[0], s.urls(s.agents)[0]
	return s.wire(ctx)
}

// wire builds every room and lists what runs.
func (s *Service) wire(ctx context.Context) error {
	root, err := s.storageRoot()
	if err != nil {
		return err
	}
	kek, err := s.keySet(true)
	if err != nil {
		return err
	}
	authority, err := agentcert.Load(s.path("tls"), s.signIn())
	if err != nil {
		return err
	}
	tokens := enrolments{agentcert.Enrolments{Clock: s.signIn()}}
	secrets := keys.NewSealer(kek)
	bell := &agentops.Bell{}
	agents := registrar{s.store, authority, tokens, s.ca}
	counted := newMetrics()
	vaults, near, err := s.countedVaults(ctx, counted)
	if err != nil {
		return err
	}
	places, err := s.readRegions()
	if err != nil {
		return err
	}
	replicas := places.open()
	door, grants, err := s.newGate(vaults, replicas, agents)
	if err != nil {
		return err
	}
	flow := newFlow(door, workflow.Config{
		Store: s.store, Clock: s.Clock, Log: s.Log, Bell: bell, Keys: keys.NewRing(s.store, kek),
		Secrets: secrets, Enrolments: tokens, StorageRoot: root, AgentAddress: s.AgentAddress, ServiceCA: s.ca,
		Vaults: near, Gate: grants, VaultLimits: s.VaultLimits, Care: s.Care.workflow(), Schedule: s.Schedule, Claims: s.db, Regions: places.Regions, Replicas: replicas,
	})
	engine, err := jobs.NewEngine(s.db, s.Clock, s.Log, flow.Handlers()...)
	if err != nil {
		return err
	}
	if err := s.startWork(ctx); err != nil {
		return err
	}
	counted.countSchedule(&flow.ScheduleCounts)
	counted.countVaulting(&flow.VaultCounts)
	counted.registry.MustRegister(careMetrics(s.store, places.Regions, s.Log), expiryMetrics(s.store, s.Log))
	hub := agenthub.New(agenthub.Config{Store: s.store, Clock: s.Clock, Log: s.Log, Bell: bell, Completer: flow, Registrar: agents})
	api, err := s.api(ctx, root, tokens, secrets, places.Regions)
	if err != nil {
		return err
	}
	s.services = []hosting.Service{
		{Name: "job engine", Run: engine.Run},
		hosting.HTTP("public API", s.public, s.publicTLS(), counted.count("public", health(s.store, api)), s.Log),
		hosting.HTTP("agent API", s.agents, agenthub.TLS(s.get), counted.count("agent", door.Front(hub)), s.Log),
	}
	if len(replicas) > 0 {
		counted.registry.MustRegister(replicationMetrics(s.store, s.Clock, s.Log))
		s.services = append(s.services, hosting.Service{Name: "mirror", Run: s.mirror(places, replicas, kek).Run})
	}
	return s.addMetrics(counted)
}

// countedVaults opens the store of all vaults with its requests counted, and
// the same behind a cache.
func (s *Service) countedVaults(ctx context.Context, m *metrics) (vaults, near objstore.Store, err error) {
	if vaults, err = s.openVaults(ctx); err != nil {
		return nil, nil, err
	}
	vaults = wrap.NewMetrics(m.registry, s.Clock).Store(vaults)
	near, err = s.cached(vaults)
	return vaults, near, err
}

// startWork enqueues what never ends, each kind once.
func (s *Service) startWork(ctx context.Context) error {
	for _, start := range []func(context.Context, catalog.Store) error{
		workflow.StartHousekeeping, workflow.StartSchedule, workflow.StartCare, workflow.StartExpiry,
	} {
		if err := start(ctx, s.store); err != nil {
			return err
		}
	}
	return nil
}

// addMetrics lists the listener for Prometheus, if one is wanted.
func (s *Service) addMetrics(m *metrics) error {
	if s.MetricsListen == "" {
		return nil
	}
	listener, err := net.Listen("tcp", s.MetricsListen)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	s.services = append(s.services, hosting.HTTP("metrics", listener, nil, m.handler(), s.Log))
	return nil
}

// Run serves until ctx ends, then closes the service.
func (s *Service) Run(ctx context.Context) error {
	s.Log.Info("serving", "url", s.URL, "agents", s.AgentAddress, "data", s.DataDir)
	return errors.Join(hosting.Run(ctx, s.Log, s.services...), s.Close())
}

// Close lets go of the data directory. It may be repeated.
func (s *Service) Close() error {
	var err error
	for _, listener := range []net.Listener{s.public, s.agents} {
		if listener != nil {
			_ = listener.Close() // closed by its server already, as a rule
		}
	}
	if s.data != nil {
		err = s.db.Close()
	}
	s.release()
	return err
}
