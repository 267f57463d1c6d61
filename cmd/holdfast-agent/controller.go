package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/controller"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
)

// controllerCommand is holdfast-controller: it carries out run objects.
func controllerCommand() *cobra.Command {
	c := &common{}
	var file string
	var limits movers.Limits
	command := &cobra.Command{
		Use: "controller", Short: "Carry out backups and restores",
		RunE: func(command *cobra.Command, _ []string) error {
			if err := c.prepare(); err != nil {
				return err
			}
			direct, err := c.direct()
			if err != nil {
				return err
			}
			return controller.Run(command.Context(), c.kubeconfig, controller.Options{
				Namespace: c.namespace, Location: controller.LocationFile(file), Open: openLocation,
				Clock: clock.System{}, Log: c.log, LeaderElection: true, HealthAddress: c.probes,
				MoverPod:    movers.OwnPod(direct, c.namespace, os.Getenv("POD_NAME")),
				MoverLimits: limits,
			})
		},
	}
	c.flags(command)
	command.Flags().StringVar(&file, "location", "/etc/holdfast/location/location.json", "file with the storage location")
	usual := movers.Limits{}.OrDefault()
	command.Flags().IntVar(&limits.PerNode, "movers-per-node", usual.PerNode, "how many movers may work on one node at the same time")
	command.Flags().IntVar(&limits.PerTarget, "movers-per-target", usual.PerTarget, "how many movers may work for one target store at the same time")
	return command
}

func openLocation(ctx context.Context, l agentv1.StorageLocation) (objstore.Store, error) {
	return location.Open(ctx, location.Location{URL: l.URL, Account: l.Account, Key: l.Key})
}
