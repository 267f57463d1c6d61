package controller

import (
	"context"
	"fmt"
	"io"
	"sync"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/movers"
)

// worker is what the work on all kinds of runs shares. Its clients cache
// nothing: a cluster may hold more objects than the memory limit allows.
type worker struct {
	options  Options
	client   client.Client
	kube     kubernetes.Interface
	raw      rest.Interface // for requests whose answers stay as they are
	locks    locks
	restorer restorer
	movers   *movers.Movers
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, snapshotv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("scheme: %w", err)
		}
	}
	return scheme, nil
}

func newWorker(config *rest.Config, scheme *runtime.Scheme, options Options) (*worker, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 200
	direct, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	config.NegotiatedSerializer = clientscheme.Codecs.WithoutConversion()
	raw, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &worker{options: options, client: direct, kube: kube, raw: raw, movers: &movers.Movers{
		Client: direct, Kube: kube, Namespace: options.Namespace, Pod: options.MoverPod, Limits: options.MoverLimits}}, nil
}

// closing lets go of what is not needed any more. When that fails the work is
// done all the same, so it is only logged.
func (w *worker) closing(c io.Closer) {
	if err := c.Close(); err != nil {
		w.options.Log.Warn("cannot close", "error", err)
	}
}

// locks keeps two runs of one backup instance from working at the same time.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// take waits until the name is free and holds it until release is called.
func (l *locks) take(ctx context.Context, name string) (release func(), err error) {
	for {
		l.mu.Lock()
		busy, taken := l.held[name]
		if !taken {
			if l.held == nil {
				l.held = map[string]chan struct{}{}
			}
			free := make(chan struct{})
			l.held[name] = free
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, name)
				l.mu.Unlock()
				close(free)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
