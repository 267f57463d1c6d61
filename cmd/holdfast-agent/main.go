// Command holdfast-agent holds every program that runs in a protected cluster;
// a sub-command picks one.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	limitMemory(os.Getenv("HOLDFAST_MEMORY_LIMIT"))
	root := &cobra.Command{
		Use: "holdfast-agent", Short: "The programs of Holdfast that run in a protected cluster",
		Version: version, SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(controllerCommand(), agentCommand(), connectorCommand(), operatorCommand(), telemetryCommand(), moverCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "holdfast-agent:", err)
		os.Exit(1)
	}
}

// limitMemory makes the collector keep the heap under 85% of the container's
// limit, in bytes; what is mapped or on stacks needs the rest.
func limitMemory(limit string) {
	if bytes, err := strconv.ParseInt(limit, 10, 64); err == nil && bytes > 0 {
		debug.SetMemoryLimit(bytes / 100 * 85)
	}
}
