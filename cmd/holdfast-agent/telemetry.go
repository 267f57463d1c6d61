package main

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/agent/probe"
	"holdfast.dev/holdfast/internal/agent/telemetry"
)

// telemetryCommand is holdfast-telemetry.
func telemetryCommand() *cobra.Command {
	options := telemetry.Options{Version: version}
	var address string
	command := &cobra.Command{
		Use: "telemetry", Short: "Receive metrics and logs and send them on",
		RunE: func(command *cobra.Command, _ []string) error {
			p := &probe.Probe{}
			p.Ready()
			group, ctx := errgroup.WithContext(command.Context())
			group.Go(func() error { return p.Serve(ctx, address) })
			group.Go(func() error { return telemetry.Run(ctx, options) })
			return group.Wait()
		},
	}
	command.Flags().StringVar(&address, "probes", ":8081", "address of /healthz and /readyz")
	command.Flags().StringVar(&options.Listen, "listen", ":4318", "address for OTLP over HTTP")
	command.Flags().StringVar(&options.Endpoint, "endpoint", os.Getenv("HOLDFAST_TELEMETRY_ENDPOINT"), "where to send to (OTLP over HTTP)")
	return command
}
