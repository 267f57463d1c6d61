package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/facts"
	"holdfast.dev/holdfast/internal/agent/probe"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/clock"
)

// common are the flags of every program here.
type common struct {
	namespace  string
	probes     string
	kubeconfig *rest.Config
	log        *slog.Logger
}

func (c *common) flags(command *cobra.Command) {
	command.Flags().StringVar(&c.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace of this program")
	command.Flags().StringVar(&c.probes, "probes", ":8081", "address of /healthz and /readyz")
}

// prepare finds the cluster: the one the program runs in, or KUBECONFIG's.
func (c *common) prepare() error {
	c.log = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if c.namespace == "" {
		return errors.New("--namespace or POD_NAMESPACE is needed")
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	c.kubeconfig = config
	return nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	return scheme, errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme), metav1.AddMetaToScheme(scheme))
}

// direct returns a client that reads without a cache.
func (c *common) direct() (client.Client, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	direct, err := client.New(c.kubeconfig, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return direct, nil
}

// working is one of the two programs that work for the service.
type working struct {
	common
	service  string // folder with address, ca.crt and token
	identity string // name of the Secret with the identity
	slots    int
	handler  func() (session.Handler, error)
	// watched are the deployments whose health is told with every claim.
	watched []string
}

// run enrols and works until ctx ends.
func (w *working) run(ctx context.Context, also ...func(context.Context) error) error {
	typed, err := kubernetes.NewForConfig(w.kubeconfig)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	config, err := w.session(typed)
	if err != nil {
		return err
	}
	handler, err := w.handler()
	if err != nil {
		return err
	}
	source := &facts.Source{Client: typed, Version: version, Clock: clock.System{}, Log: w.log}
	worker := &session.Worker{Handler: handler, Slots: w.slots, Facts: source.Cluster, Log: w.log}
	if len(w.watched) > 0 {
		worker.Health = source.Health(w.namespace, w.watched...)
	}
	p := &probe.Probe{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.Serve(ctx, w.probes) })
	for _, f := range also {
		group.Go(func() error { return f(ctx) })
	}
	group.Go(func() error {
		client, err := session.Connect(ctx, config, source.Cluster(ctx))
		if err != nil {
			return err
		}
		w.log.InfoContext(ctx, "enrolled", "cluster", client.ClusterID(), "role", string(client.Role()))
		p.Ready()
		worker.Client = client
		group.Go(func() error { return client.Rotate(ctx) })
		return worker.Run(ctx)
	})
	return group.Wait()
}

func (w *working) session(typed kubernetes.Interface) (session.Config, error) {
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(w.service, name))
		if err != nil {
			w.log.Warn("cannot read a part of the service's address", "file", name, "error", err)
		}
		return strings.TrimSpace(string(raw))
	}
	config := session.Config{
		Address: read("address"), ServiceCA: []byte(read("ca.crt")), Token: read("token"),
		Store: session.SecretStore{Secrets: typed.CoreV1().Secrets(w.namespace), Name: w.identity},
		Clock: clock.System{}, Log: w.log,
	}
	if config.Address == "" {
		return config, fmt.Errorf("no service address in %s", w.service)
	}
	return config, nil
}
