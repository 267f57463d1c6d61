// Command holdfastd is the backup service.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is stamped by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "holdfastd:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use: "holdfastd", Short: "The backup service", Version: version, SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(rescueCommand(), serveCommand(), migrateCommand(), checkCommand(), principalCommand(), keysCommand())
	return root
}
