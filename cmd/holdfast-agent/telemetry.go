package main

import (
	"os"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/agent/probe"
)

// telemetryCommand is holdfast-telemetry.
func telemetryCommand() *cobra.Command {
	var address, endpoint string
	command := &cobra.Command{
		Use: "telemetry", Short: "Receive metrics and logs and send them on",
		RunE: func(command *cobra.Command, _ []string) error {
			p := &probe.Probe{}
			p.Ready()
			return p.Serve(command.Context(), address)
		},
	}
	command.Flags().StringVar(&address, "probes", ":8081", "address of /healthz and /readyz")
	command.Flags().StringVar(&endpoint, "endpoint", os.Getenv("HOLDFAST_TELEMETRY_ENDPOINT"), "where to send to (OTLP over HTTP)")
	return command
}
