// Command devcluster runs one-node Kubernetes clusters on this machine, several
// at once if wanted, for tests and demonstrations. See the README beside it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "devcluster",
		Short:         "One-node Kubernetes clusters for tests and demonstrations",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(upCommand(), downCommand(), kubeconfigCommand(), hostAddressCommand(), loadImageCommand(),
		buildImageCommand(), postgresImageCommand(), logsCommand(), kubectlCommand(), statusCommand(), buildCommand(),
		initCommand(), nodeCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		// A program we only passed on to has told what was wrong itself.
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 {
			os.Exit(exit.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		os.Exit(1)
	}
}

// nameFlag adds --name, the cluster a command is about.
func nameFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("name", "dev", "name of the cluster")
}

func requireRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("this works with namespaces, mounts and loop devices and so needs root; run it with sudo")
	}
	return nil
}
