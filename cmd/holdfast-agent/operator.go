package main

import (
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"holdfast.dev/holdfast/deploy"
	"holdfast.dev/holdfast/internal/agent/connector"
	"holdfast.dev/holdfast/internal/chart"
)

// operatorCommand is extension-operator: it installs what the connector
// declares.
func operatorCommand() *cobra.Command {
	c := &common{}
	image := connector.Image{}
	var install string
	command := &cobra.Command{
		Use: "operator", Short: "Install, upgrade and remove declared extensions (deployment extension-operator)",
		RunE: func(command *cobra.Command, _ []string) error {
			if err := c.prepare(); err != nil {
				return err
			}
			manager, err := c.manager()
			if err != nil {
				return err
			}
			files, err := deploy.Chart(deploy.Extension)
			if err != nil {
				return err
			}
			release := chart.Release{Name: deploy.Extension, Namespace: install, Files: files, Config: c.kubeconfig, Log: c.log}
			operator, err := connector.NewOperator(c.kubeconfig, manager.GetClient(), manager.GetAPIReader(), release, image, install, c.log)
			if err != nil {
				return err
			}
			if err := operator.Register(manager); err != nil {
				return err
			}
			return manager.Start(command.Context())
		},
	}
	c.flags(command)
	command.Flags().StringVar(&image.Name, "image", os.Getenv("HOLDFAST_IMAGE"), "image of the extension's pods")
	command.Flags().StringVar(&image.PullPolicy, "image-pull-policy", os.Getenv("HOLDFAST_IMAGE_PULL_POLICY"), "their pull policy")
	command.Flags().StringVar(&install, "extension-namespace", os.Getenv("HOLDFAST_EXTENSION_NAMESPACE"), "namespace to install into")
	return command
}

// manager caches the objects of the own namespace only.
func (c *common) manager() (ctrl.Manager, error) {
	ctrl.SetLogger(logr.FromSlogHandler(c.log.Handler()))
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	manager, err := ctrl.NewManager(c.kubeconfig, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cache.Options{DefaultNamespaces: map[string]cache.Config{c.namespace: {}}},
		Metrics:                server.Options{BindAddress: "0"},
		HealthProbeBindAddress: c.probes,
	})
	if err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	if err := manager.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	return manager, nil
}
