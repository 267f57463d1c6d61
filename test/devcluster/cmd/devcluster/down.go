package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

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
