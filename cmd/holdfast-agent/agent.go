package main

import (
	"context"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/agent/connector"
	"holdfast.dev/holdfast/internal/agent/runs"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/clock"
)

// agentSlots is how many operations of the extension run at the same time.
const agentSlots = 8

// agentCommand is holdfast-agent: it takes the extension's operations from the
// service and turns them into run objects.
func agentCommand() *cobra.Command {
	w := &working{slots: agentSlots, watched: []string{"holdfast-controller"}}
	command := &cobra.Command{
		Use: "agent", Short: "Take operations from the service and turn them into run objects",
		RunE: func(command *cobra.Command, _ []string) error {
			if err := w.prepare(); err != nil {
				return err
			}
			direct, err := w.direct()
			if err != nil {
				return err
			}
			handler := &runs.Handler{Client: direct, Namespace: w.namespace, Clock: clock.System{}, Log: w.log}
			w.handler = func() (session.Handler, error) { return handler, nil }
			return w.run(command.Context(), func(ctx context.Context) error { return handler.SweepForever(ctx) })
		},
	}
	w.flagsOf(command, "holdfast-agent-identity")
	return command
}

// connectorCommand is extension-agent: it takes the connector's operations
// from the service and declares extensions in the cluster.
func connectorCommand() *cobra.Command {
	w := &working{slots: 1}
	command := &cobra.Command{
		Use: "connector", Short: "Take declared extensions from the service (deployment extension-agent)",
		RunE: func(command *cobra.Command, _ []string) error {
			if err := w.prepare(); err != nil {
				return err
			}
			w.handler = func() (session.Handler, error) {
				direct, err := w.direct()
				return &connector.Handler{Client: direct, Namespace: w.namespace, Clock: clock.System{}, Log: w.log}, err
			}
			return w.run(command.Context())
		},
	}
	w.flagsOf(command, "extension-agent-identity")
	return command
}

func (w *working) flagsOf(command *cobra.Command, identity string) {
	w.flags(command)
	command.Flags().StringVar(&w.service, "service", "/etc/holdfast/service", "folder with the service's address, ca.crt and token")
	command.Flags().StringVar(&w.identity, "identity", identity, "Secret that keeps the client certificate")
}
