package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/test/devcluster/cluster"
	"holdfast.dev/holdfast/test/devcluster/registry"
)

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "List the clusters of this machine and what belongs to each", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
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
				if err := describe(c); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func describe(c *cluster.Cluster) error {
	pid, err := c.Pid()
	if err != nil {
		return err
	}
	loops, err := c.Loops()
	if err != nil {
		return err
	}
	process := "stopped"
	if pid != 0 {
		process = fmt.Sprint(pid)
	}
	fmt.Printf("name=%s process=%s api=%s link=%s cgroup=%s loops=%s\n",
		c.Name, process, c.Plan.APIServer(), c.Plan.Link(), c.CgroupRoot(), strings.Join(loops, ","))
	return nil
}
