// Command holdfast-agent holds every program that runs in a protected cluster;
// a sub-command picks one.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use: "holdfast-agent", Short: "The programs of Holdfast that run in a protected cluster",
		Version: version, SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(controllerCommand(), agentCommand(), connectorCommand(), operatorCommand(), telemetryCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "holdfast-agent:", err)
		os.Exit(1)
	}
}
