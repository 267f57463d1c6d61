package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/test/devcluster/cluster"
	"holdfast.dev/holdfast/test/devcluster/registry"
)

func downCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "down", Short: "End a cluster and remove everything of it", Args: cobra.NoArgs}
	name := nameFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireRoot(); err != nil {
			return err
		}
		c, err := cluster.Open(registry.Default(), *name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.Down(cmd.Context()); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "cluster %s is gone\n", *name)
		return nil
	}
	return cmd
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the clusters of this machine", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			r := registry.Default()
			all, err := r.All()
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(all)) {
				c, err := cluster.Open(r, name)
				if err != nil {
					return err
				}
				state := "stopped"
				if pid, err := c.Pid(); err != nil {
					return err
				} else if pid != 0 {
					state = fmt.Sprintf("running (process %d)", pid)
				}
				fmt.Printf("%-12s %-26s %s\n", name, c.Plan.APIServer(), state)
			}
			return nil
		},
	}
}
