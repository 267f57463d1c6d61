package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/test/devcluster/build"
	"holdfast.dev/holdfast/test/devcluster/debian"
	"holdfast.dev/holdfast/test/devcluster/image"
)

func buildImageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build-image --tag TAG [flags]",
		Short: "Assemble an image from files and Debian packages and print the archive's path",
		Args:  cobra.NoArgs,
	}
	var recipe image.Recipe
	var packages, without, accounts []string
	f := cmd.Flags()
	f.StringVar(&recipe.Config.Tag, "tag", "", "name of the image, like localhost/app:1")
	f.StringArrayVar(&recipe.Files, "file", nil, "SOURCE:/TARGET, a file or folder to copy in (repeatable)")
	f.StringArrayVar(&packages, "deb", nil, "Debian package to unpack with its dependencies (repeatable)")
	f.StringArrayVar(&without, "without-deb", nil, "dependency to leave out (repeatable)")
	f.StringArrayVar(&accounts, "account", nil, "NAME:ID[:HOME], a user to add (repeatable)")
	f.StringArrayVar(&recipe.Folders, "folder", nil, "PATH[:OWNER[:MODE]], a folder to make (repeatable)")
	f.StringArrayVar(&recipe.Config.Entrypoint, "entrypoint", nil, "program to run; repeat for its arguments")
	f.StringArrayVar(&recipe.Config.Cmd, "cmd", nil, "default arguments (repeatable)")
	f.StringArrayVar(&recipe.Config.Env, "env", nil, "NAME=value (repeatable)")
	f.StringVar(&recipe.Config.User, "user", "", "user or number to run as")
	f.StringVar(&recipe.Config.WorkDir, "workdir", "", "directory to start in")
	deliver := deliverFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cache, err := build.CacheDir()
		if err != nil {
			return err
		}
		for _, text := range accounts {
			account, err := image.ParseAccount(text)
			if err != nil {
				return err
			}
			recipe.Accounts = append(recipe.Accounts, account)
		}
		if recipe.Debs, err = fetch(cmd.Context(), cache, packages, without); err != nil {
			return err
		}
		path, err := recipe.Make(cache)
		if err != nil {
			return err
		}
		return deliver(cmd.Context(), path)
	}
	return cmd
}

func postgresImageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "postgres-image", Short: "Make localhost/postgres:15 and print the archive's path", Args: cobra.NoArgs}
	deliver := deliverFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cache, err := build.CacheDir()
		if err != nil {
			return err
		}
		debs, err := fetch(cmd.Context(), cache, image.PostgresPackages, image.PostgresWithout)
		if err != nil {
			return err
		}
		path, err := image.Postgres(cache, debs)
		if err != nil {
			return err
		}
		return deliver(cmd.Context(), path)
	}
	return cmd
}

func fetch(ctx context.Context, cache string, packages, without []string) ([]string, error) {
	if len(packages) == 0 {
		return nil, nil
	}
	return debian.Fetch(ctx, filepath.Join(cache, "debs"), packages, without)
}

// deliverFlags adds --load: besides being printed, the archive is loaded.
func deliverFlags(cmd *cobra.Command) func(context.Context, string) error {
	name := nameFlag(cmd)
	load := cmd.Flags().Bool("load", false, "load the image into the cluster too")
	return func(ctx context.Context, path string) error {
		fmt.Println(path)
		if !*load {
			return nil
		}
		if err := requireRoot(); err != nil {
			return err
		}
		c, err := open(*name)
		if err != nil {
			return err
		}
		return c.LoadImage(ctx, path)
	}
}
