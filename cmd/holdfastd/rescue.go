package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/rescue/rebuild"
	"holdfast.dev/holdfast/internal/service"
)

func rescueCommand() *cobra.Command {
	o := service.Options{Clock: clock.System{}}
	var r service.RescueOptions
	var urls []string
	var account, keyFile string
	cmd := &cobra.Command{
		Use: "rescue", Short: "Rebuild the catalog from the buckets", Args: cobra.NoArgs,
		Long: "Rebuild the catalog from the buckets and the key provider: vaults, policies, instances and recovery points, as the newest recovery points keep them. " +
			"It adds what is missing and writes over nothing, so it may be repeated; nothing is written to a bucket. Stop the service first.\n\n" +
			"The store of the vaults is read, and those given with --store: containers of the operational tier. " +
			"What the buckets do not tell is listed: clusters, storage accounts with their keys, roles.",
		Example: "  holdfastd rescue --data-dir /var/lib/holdfast --vault-store s3://vaults --key-provider file:///root/kek --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, url := range urls {
				at := location.Location{URL: url, Account: account, Key: os.Getenv("HOLDFAST_STORE_KEY")}
				if keyFile != "" {
					key, err := os.ReadFile(keyFile)
					if err != nil {
						return fmt.Errorf("key of the store: %w", err)
					}
					at.Key = strings.TrimSpace(string(key))
				}
				r.Stores = append(r.Stores, at)
			}
			done, err := service.Rescue(cmd.Context(), o, r)
			if printed := printRescued(cmd, done, r.Dry); printed != nil {
				return errors.Join(err, printed)
			}
			if errors.Is(err, rebuild.ErrNotEmpty) {
				return fmt.Errorf("%w: nothing was changed; look at the plan with --dry-run, and give --merge to add to it what is missing", err)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.DataDir, "data-dir", defaultDataDir, "data directory of the service")
	databaseFlags(f, &o)
	vaultStoreFlags(cmd, &o)
	keyFlags(f, &o)
	f.StringArrayVar(&urls, "store", nil, "URL of another store, such as a container of the operational tier; may be repeated")
	f.StringVar(&account, "store-account", "", "name of the account of these stores, or id of their access key")
	f.StringVar(&keyFile, "store-key-file", "", "file of the key of these stores (or $HOLDFAST_STORE_KEY)")
	f.BoolVar(&r.Dry, "dry-run", false, "only tell what would be done")
	f.BoolVar(&r.Merge, "merge", false, "add to a catalog that has vaults already")
	return cmd
}

// printRescued prints a line for each document but recovery points, which are
// counted, and then what could not be told.
func printRescued(cmd *cobra.Command, done service.Rescued, dry bool) error {
	made := "made"
	if dry {
		made = "to be made"
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACTION\tKIND\tID")
	points := map[bool]int{}
	for _, step := range done.Steps {
		action := made
		if !step.Made {
			action = "there already"
		}
		if step.Kind == "recovery point" {
			points[step.Made]++
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", action, step.Kind, step.ID)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%d recovery points %s, %d there already\n", points[true], made, points[false])
	if len(done.Untold) > 0 {
		fmt.Fprintln(out, "\nWhat the buckets do not tell, or could not be read:")
	}
	for _, text := range done.Untold {
		fmt.Fprintln(out, "- "+strings.ReplaceAll(text, "\n", "; "))
	}
	return nil
}
