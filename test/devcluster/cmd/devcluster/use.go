package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/test/devcluster/cluster"
	"holdfast.dev/holdfast/test/devcluster/network"
	"holdfast.dev/holdfast/test/devcluster/registry"
)

// open finds the named cluster and says how to make it when there is none.
func open(name string) (*cluster.Cluster, error) {
	c, err := cluster.Open(registry.Default(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cluster.ErrNotRunning{Name: name}
	}
	return c, err
}

func kubeconfigCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "kubeconfig", Short: "Print the path of the administrator's kubeconfig", Args: cobra.NoArgs}
	name := nameFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		c, err := open(*name)
		if err != nil {
			return err
		}
		fmt.Println(c.Kubeconfig())
		return nil
	}
	return cmd
}

func hostAddressCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "host-address", Short: "Print the address at which pods reach this machine", Args: cobra.NoArgs}
	nameFlag(cmd) // accepted for symmetry: the address is the same for all
	cmd.Run = func(*cobra.Command, []string) { fmt.Println(network.HostAddress) }
	return cmd
}

func loadImageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "load-image FILE.tar...", Short: "Load image archives into a cluster", Args: cobra.MinimumNArgs(1)}
	name := nameFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		if err := requireRoot(); err != nil {
			return err
		}
		c, err := open(*name)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := c.LoadImage(cmd.Context(), f); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func kubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use: "kubectl [--name NAME] ARGS...", Short: "Run kubectl against a cluster", DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			name, rest := splitName(args)
			c, err := open(name)
			if err != nil {
				return err
			}
			cmd := c.Kubectl(rest...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
			return cmd.Run()
		},
	}
}

// splitName takes a leading --name off the arguments, which otherwise are
// kubectl's own.
func splitName(args []string) (name string, rest []string) {
	if len(args) > 0 {
		if value, ok := strings.CutPrefix(args[0], "--name="); ok {
			return value, args[1:]
		}
		if args[0] == "--name" && len(args) > 1 {
			return args[1], args[2:]
		}
	}
	return "dev", args
}

func logsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "logs [COMPONENT]", Short: "Print a component's log, or list the components", Args: cobra.MaximumNArgs(1)}
	name := nameFlag(cmd)
	follow := cmd.Flags().BoolP("follow", "f", false, "go on printing what is added")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := open(*name)
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return listLogs(c.LogDir())
		}
		tail := exec.CommandContext(cmd.Context(), "tail", "-n", "+1")
		if *follow {
			tail.Args = append(tail.Args, "-F")
		}
		tail.Args = append(tail.Args, filepath.Join(c.LogDir(), filepath.Base(args[0])+".log"))
		tail.Stdout, tail.Stderr = os.Stdout, os.Stderr
		return tail.Run()
	}
	return cmd
}

func listLogs(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Println(strings.TrimSuffix(filepath.Base(f), ".log"))
	}
	return nil
}
