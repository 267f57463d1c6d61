package main

import (
	"os"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/test/devcluster/network"
	"holdfast.dev/holdfast/test/devcluster/node"
)

// initCommand is process 1 of a node. Not for people.
func initCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "node-init", Hidden: true, Args: cobra.NoArgs}
	config := configFlags(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if _, err := config(); err != nil {
			return err
		}
		supervisor := append([]string{os.Args[0], "node"}, os.Args[2:]...)
		return node.Init(supervisor)
	}
	return cmd
}

// nodeCommand is the supervisor, child of process 1. Not for people.
func nodeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "node", Hidden: true, Args: cobra.NoArgs}
	config := configFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := config()
		if err != nil {
			return err
		}
		return c.Run(cmd.Context())
	}
	return cmd
}

func configFlags(cmd *cobra.Command) func() (node.Config, error) {
	name := nameFlag(cmd)
	dir := cmd.Flags().String("dir", "", "state directory")
	index := cmd.Flags().Int("index", 0, "number of the cluster")
	return func() (node.Config, error) {
		plan, err := network.NewPlan(*index)
		return node.Config{Name: *name, Dir: *dir, Plan: plan}, err
	}
}
