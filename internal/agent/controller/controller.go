package controller

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/restore"
)

// LeaseName is the Lease by which replicas agree on the one that works.
const LeaseName = "holdfast-controller"

// Run carries out run objects until ctx ends. It returns an error when it
// cannot start, or when another replica took over: the program must end then.
func Run(ctx context.Context, config *rest.Config, options Options) error {
	ctrl.SetLogger(logr.FromSlogHandler(options.Log.Handler()))
	config = rest.CopyConfig(config)
	config.WarningHandlerWithContext = rest.NoWarnings{} // every kind is read, deprecated ones too
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	w, err := newWorker(config, scheme, options)
	if err != nil {
		return err
	}
	w.restorer, err = restore.New(restore.Deps{
		Config: config, Clock: options.Clock, TempDir: options.TempDir, OwnNamespace: options.Namespace}, restore.Patience{})
	if err != nil {
		return err
	}
	m, err := newManager(config, scheme, options)
	if err != nil {
		return err
	}
	if err := add(m, "backuprun", w, func() *v1alpha1.BackupRun { return &v1alpha1.BackupRun{} }, w.backup); err != nil {
		return err
	}
	if err := add(m, "restorerun", w, func() *v1alpha1.RestoreRun { return &v1alpha1.RestoreRun{} }, w.restore); err != nil {
		return err
	}
	if err := add(m, "recoverypointdeletion", w, func() *v1alpha1.RecoveryPointDeletion { return &v1alpha1.RecoveryPointDeletion{} }, w.delete); err != nil {
		return err
	}
	if err := add(m, "vaultrun", w, func() *v1alpha1.VaultRun { return &v1alpha1.VaultRun{} }, w.vault); err != nil {
		return err
	}
	if err := m.Add(sweeper{w}); err != nil {
		return fmt.Errorf("add sweeper: %w", err)
	}
	if err := m.Start(ctx); err != nil {
		return fmt.Errorf("controller: %w", err)
	}
	return nil
}

// newManager caches run objects only, and only those of the own namespace.
func newManager(config *rest.Config, scheme *runtime.Scheme, options Options) (manager.Manager, error) {
	m, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{options.Namespace: {}}},
		LeaderElection:                options.LeaderElection,
		LeaderElectionID:              LeaseName,
		LeaderElectionNamespace:       options.Namespace,
		LeaderElectionReleaseOnCancel: true,
		Metrics:                       server.Options{BindAddress: "0"},
		HealthProbeBindAddress:        options.HealthAddress,
	})
	if err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	for _, check := range []func(string, healthz.Checker) error{m.AddHealthzCheck, m.AddReadyzCheck} {
		if err := check("ping", healthz.Ping); err != nil {
			return nil, fmt.Errorf("controller: %w", err)
		}
	}
	return m, nil
}

// add lets the manager bring runs of one kind to their end.
func add[R run](m manager.Manager, name string, w *worker, empty func() R, do work[R]) error {
	ended := make(chan event.GenericEvent, 1)
	tasks := newPool[R](func(over types.NamespacedName) {
		object := empty()
		object.SetNamespace(over.Namespace)
		object.SetName(over.Name)
		select {
		case ended <- event.GenericEvent{Object: object}:
		default: // the next look at the run finds out
		}
	})
	r := &reconciler[R]{client: m.GetClient(), clock: w.options.Clock, empty: empty, work: do, pool: tasks}
	skipName := true // names are unique in a process; tests start several managers
	err := ctrl.NewControllerManagedBy(m).
		Named(name).
		For(client.Object(empty())).
		WatchesRawSource(source.Channel(ended, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 2, SkipNameValidation: &skipName}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("controller of %s: %w", name, err)
	}
	if err := m.Add(tasks); err != nil {
		return fmt.Errorf("tasks of %s: %w", name, err)
	}
	return nil
}
