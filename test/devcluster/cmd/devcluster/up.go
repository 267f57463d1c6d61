package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/test/devcluster/build"
	"holdfast.dev/holdfast/test/devcluster/cluster"
	"holdfast.dev/holdfast/test/devcluster/debian"
	"holdfast.dev/holdfast/test/devcluster/image"
	"holdfast.dev/holdfast/test/devcluster/network"
	"holdfast.dev/holdfast/test/devcluster/registry"
)

// Images every cluster has from the start.
const (
	pauseTag   = "localhost/pause:1"
	busyboxTag = "localhost/busybox:1"
	corednsTag = "localhost/coredns:1"
)

func upCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "up", Short: "Start a cluster, or make sure that it is ready", Args: cobra.NoArgs}
	name := nameFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireRoot(); err != nil {
			return err
		}
		start := time.Now()
		if err := up(cmd.Context(), *name); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "cluster %s ready in %s\n", *name, time.Since(start).Round(100*time.Millisecond))
		return nil
	}
	return cmd
}

func up(ctx context.Context, name string) error {
	show := build.NewProgress(os.Stderr)
	if err := debian.Install(ctx, debian.NodePackages); err != nil {
		return err
	}
	parts, err := makeParts(ctx, show)
	if err != nil {
		return err
	}
	c, err := cluster.Claim(registry.Default(), name)
	if err != nil {
		return err
	}
	if err := c.Up(ctx, parts, show); err != nil {
		return err
	}
	fmt.Printf("kubeconfig:   %s\napi server:   %s\nhost address: %s\n", c.Kubeconfig(), c.Plan.APIServer(), network.HostAddress)
	return nil
}

// makeParts compiles and assembles what is not in the cache yet.
func makeParts(ctx context.Context, show *build.Progress) (cluster.Parts, error) {
	builder, err := newBuilder(show)
	if err != nil {
		return cluster.Parts{}, err
	}
	programs, err := builder.All(ctx, build.Programs())
	if err != nil {
		return cluster.Parts{}, err
	}
	crds, err := builder.SnapshotCRDs(ctx)
	if err != nil {
		return cluster.Parts{}, err
	}
	images, err := standardImages(builder.Cache, programs)
	return cluster.Parts{Programs: programs, CRDs: crds, Images: images}, err
}

func standardImages(cache string, programs map[string]string) ([]string, error) {
	pause, err := image.Program(cache, pauseTag, programs["pause"])
	if err != nil {
		return nil, err
	}
	coredns, err := image.Program(cache, corednsTag, programs["coredns"])
	if err != nil {
		return nil, err
	}
	busybox, err := image.Busybox(cache, busyboxTag, "/bin/busybox")
	return []string{pause, coredns, busybox}, err
}

func newBuilder(show *build.Progress) (build.Builder, error) {
	root, err := build.SourceRoot()
	if err != nil {
		return build.Builder{}, err
	}
	cache, err := build.CacheDir()
	return build.Builder{Root: root, Cache: cache, Show: show}, err
}

func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use: "build", Short: "Compile everything a cluster needs, and start nothing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := build.NewProgress(os.Stderr)
			builder, err := newBuilder(show)
			if err != nil {
				return err
			}
			if _, err := builder.All(cmd.Context(), build.Programs()); err != nil {
				return err
			}
			_, err = builder.SnapshotCRDs(cmd.Context())
			return err
		},
	}
}
