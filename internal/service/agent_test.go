package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/gate"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
)

// fakeCluster is a cluster without Kubernetes: its programs speak the real
// protocol over TLS and write real repositories, but of made-up objects.
type fakeCluster struct {
	t    *testing.T
	dir  string
	ctx  context.Context
	done sync.WaitGroup

	mu       sync.Mutex
	at       agentv1.StorageLocation // told at installation
	keys     [][]byte                // every data key that was handed out
	handled  []agentv1.Kind
	restored []string
	hold     chan struct{} // not nil: backups wait until it is closed
	began    chan struct{} // a backup has begun
	health   agentv1.Health
	before   func(agentv1.Kind) error // not nil: what happens before an operation is carried out
}

// connect enrols a connector for the world's cluster and lets it work until
// the test ends.
func (w *world) connect() *fakeCluster {
	w.t.Helper()
	token := w.must("POST", w.cluster+"/createConnectToken", object{})
	ctx, stop := context.WithCancel(context.Background())
	f := &fakeCluster{t: w.t, dir: w.t.TempDir(), ctx: ctx, began: make(chan struct{}, 10), health: agentv1.Health{Healthy: true}}
	w.t.Cleanup(func() { stop(); f.done.Wait() })
	f.work("connector", token["agentAddress"].(string), token["serviceCa"].(string), token["token"].(string))
	return f
}

// work runs one program of the cluster.
func (f *fakeCluster) work(name, address, ca, token string) {
	log := slog.New(slog.NewTextHandler(f.t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	f.done.Go(func() {
		c, err := session.Connect(f.ctx, session.Config{
			Address: address, ServiceCA: []byte(ca), Token: token, Store: session.FileStore{Path: filepath.Join(f.dir, name)},
			Clock: clock.System{}, Log: log, FirstWait: 50 * time.Millisecond,
		}, agentv1.ClusterFacts{KubernetesVersion: "v1.37.2", Nodes: 1})
		if err != nil {
			f.t.Errorf("connect %s: %v", name, err)
			return
		}
		worker := &session.Worker{
			Client: c, Handler: f, Slots: 4, Log: log,
			Facts:  func(context.Context) agentv1.ClusterFacts { return agentv1.ClusterFacts{Nodes: 1} },
			Health: func(context.Context) *agentv1.Health { return f.view() },
		}
		if err := worker.Run(f.ctx); err != nil {
			f.t.Errorf("%s: %v", name, err)
		}
	})
}

func (f *fakeCluster) view() *agentv1.Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	health := f.health
	return &health
}

// Handle carries out one operation.
func (f *fakeCluster) Handle(ctx context.Context, o agentv1.Operation, report session.Report) session.Result {
	f.mu.Lock()
	f.handled = append(f.handled, o.Kind)
	before := f.before
	f.mu.Unlock()
	var value any
	var err error
	if before != nil {
		err = before(o.Kind)
	}
	if err == nil {
		value, err = f.handle(ctx, o, report)
	}
	if err != nil {
		return session.Failure(agentv1.Problem{Code: "FakeClusterError", Message: err.Error()})
	}
	select {
	case <-report.Cancelled():
		return session.Result{Outcome: agentv1.OutcomeCancelled}
	default:
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return session.Failure(agentv1.Problem{Code: "FakeClusterError", Message: err.Error()})
	}
	return session.Result{Outcome: agentv1.OutcomeSucceeded, Value: raw}
}

func (f *fakeCluster) handle(ctx context.Context, o agentv1.Operation, report session.Report) (any, error) {
	switch o.Kind {
	case agentv1.KindInstallExtension:
		return f.install(o)
	case agentv1.KindBackup:
		return f.backup(ctx, o, report)
	case agentv1.KindVault:
		return f.vault(ctx, o)
	case agentv1.KindRestore:
		return f.restore(ctx, o)
	case agentv1.KindDeleteRecoveryPoint:
		return f.delete(ctx, o)
	case agentv1.KindValidateBackup, agentv1.KindValidateRestore, agentv1.KindDeleteExtension:
		return struct{}{}, nil
	}
	return nil, fmt.Errorf("unknown kind %s", o.Kind)
}

func (f *fakeCluster) install(o agentv1.Operation) (any, error) {
	var spec agentv1.InstallExtension
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.at = spec.Location
	f.mu.Unlock()
	f.work("extension", spec.AgentAddress, spec.ServiceCA, spec.Token)
	return agentv1.ExtensionResult{Version: "0.1.0"}, nil
}

// open opens, or makes, the repository of a grant.
func (f *fakeCluster) open(ctx context.Context, grant agentv1.RepositoryGrant) (*repo.Repository, error) {
	f.mu.Lock()
	f.keys = append(f.keys, grant.Key)
	at := f.at
	f.mu.Unlock()
	key, err := repo.ParseKey(grant.Key)
	if err != nil {
		return nil, err
	}
	if grant.Gate != nil {
		store, err := gate.Open(ctx, *grant.Gate, gate.Options{})
		if err != nil {
			return nil, err
		}
		f.t.Cleanup(func() { _ = store.Close() }) // of a test
		return repo.Open(ctx, store, key)
	}
	bucket, err := location.Open(ctx, location.Location(at))
	if err != nil {
		return nil, err
	}
	store := objstore.Sub(bucket, grant.Prefix)
	id := strings.TrimSuffix(strings.TrimPrefix(grant.Prefix, "repositories/"), "/")
	if err := repo.Create(ctx, store, key, repo.CreateOptions{ID: id}); err != nil {
		return nil, err
	}
	return repo.Open(ctx, store, key)
}

func (f *fakeCluster) backup(ctx context.Context, o agentv1.Operation, report session.Report) (any, error) {
	var spec agentv1.Backup
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return nil, err
	}
	report.Progress(agentv1.Progress{Phase: "Collect", ItemsDone: 1, BytesDone: 2048})
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	f.began <- struct{}{}
	if hold != nil {
		select {
		case <-hold:
		case <-report.Cancelled():
			return struct{}{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	cut := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	root, err := f.writePoint(ctx, spec, cut)
	if err != nil {
		return nil, err
	}
	return agentv1.BackupResult{RecoveryPointID: spec.RecoveryPointID, CutAt: cut, Root: root, Objects: 1, BytesStored: 100,
		Namespaces: spec.Selection.IncludedNamespaces}, nil
}

// writePoint writes a recovery point of one object; a repetition finds it done.
func (f *fakeCluster) writePoint(ctx context.Context, spec agentv1.Backup, cut time.Time) (root string, err error) {
	r, err := f.open(ctx, spec.Repository)
	if err != nil {
		return "", err
	}
	defer r.Close()
	if m, err := r.Manifest(ctx, spec.RecoveryPointID); err == nil {
		return m.Root, nil
	}
	writer, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: spec.RecoveryPointID})
	if err != nil {
		return "", err
	}
	defer writer.Close()
	archive, err := writer.Archive("objects")
	if err != nil {
		return "", err
	}
	if err := archive.Add("namespaced/core/ConfigMap/shop/a", []byte(`{"kind":"ConfigMap"}`)); err != nil {
		return "", err
	}
	ref, err := archive.Close()
	if err != nil {
		return "", err
	}
	err = writer.Commit(ctx, repo.Manifest{Created: cut, Instance: spec.InstanceID, Streams: []repo.StreamRef{ref},
		Facts: map[string]string{"namespaces": strings.Join(spec.Selection.IncludedNamespaces, ","), agentv1.FactKept: spec.Keep}})
	if err != nil {
		return "", err
	}
	m, err := r.Manifest(ctx, spec.RecoveryPointID)
	return m.Root, err
}

// vault writes the recovery point into the vault, after a look at the original.
func (f *fakeCluster) vault(ctx context.Context, o agentv1.Operation) (any, error) {
	var spec agentv1.Vault
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return nil, err
	}
	source, err := f.open(ctx, spec.Source)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	m, err := source.Manifest(ctx, spec.RecoveryPointID)
	if err != nil {
		return nil, err
	}
	root, err := f.writePoint(ctx, agentv1.Backup{InstanceID: spec.InstanceID, RecoveryPointID: spec.RecoveryPointID, Repository: spec.Target,
		Keep: m.Facts[agentv1.FactKept], Selection: agentv1.Selection{IncludedNamespaces: strings.Split(m.Facts["namespaces"], ",")}}, m.Created)
	return agentv1.BackupResult{RecoveryPointID: spec.RecoveryPointID, CutAt: m.Created, Root: root, BytesStored: 200}, err
}

func (f *fakeCluster) restore(ctx context.Context, o agentv1.Operation) (any, error) {
	var spec agentv1.Restore
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return nil, err
	}
	r, err := f.open(ctx, spec.Repository)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if _, err := r.Manifest(ctx, spec.RecoveryPointID); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.restored = append(f.restored, spec.RecoveryPointID+" to "+spec.NamespaceMappings["shop"])
	return agentv1.RestoreResult{Created: 1}, nil
}

func (f *fakeCluster) delete(ctx context.Context, o agentv1.Operation) (any, error) {
	var spec agentv1.DeleteRecoveryPoint
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return nil, err
	}
	r, err := f.open(ctx, spec.Repository)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return struct{}{}, r.DeleteManifest(ctx, spec.RecoveryPointID)
}

// count is how often operations of a kind were handed to the cluster.
func (f *fakeCluster) count(kind agentv1.Kind) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.handled {
		if k == kind {
			n++
		}
	}
	return n
}
