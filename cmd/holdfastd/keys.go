package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/service"
)

// keyFlags are the flags of what wraps keys.
func keyFlags(f *pflag.FlagSet, o *service.Options) {
	f.StringVar(&o.KeyProvider, "key-provider", "", "URL of what wraps keys: file:///path, or vault-transit://host:port/mount/key?token-file=FILE; without it the file kek of the data directory")
	f.StringArrayVar(&o.OldKeyProviders, "old-key-provider", nil, "URL of what wrapped keys before and still unwraps them; may be repeated")
}

func keysCommand() *cobra.Command {
	o := service.Options{Clock: clock.System{}}
	cmd := &cobra.Command{Use: "keys", Short: "Wrap the keys of repositories anew"}
	var dry bool
	rotate := &cobra.Command{
		Use: "rotate", Short: "Wrap all keys and secrets anew with the key provider", Args: cobra.NoArgs,
		Long: "Wrap all keys and secrets anew with the key provider: in the catalog, and in every bucket. Give --old-key-provider for what wrapped them until now. " +
			"It works beside a running service that has the same providers, may be interrupted, and may be repeated; when it ends without a failure, the old provider is not needed any more. " +
			"Key versions of Vault are brought to the latest without an old provider.",
		Example: "  holdfastd keys rotate --key-provider file:///etc/holdfast/kek2 --old-key-provider file:///var/lib/holdfast/kek --dry-run",
		RunE:    func(cmd *cobra.Command, _ []string) error { return rotateKeys(cmd, o, dry) },
	}
	f := rotate.Flags()
	f.StringVar(&o.DataDir, "data-dir", defaultDataDir, "data directory of the service")
	databaseFlags(f, &o)
	keyFlags(f, &o)
	vaultStoreFlags(rotate, &o)
	f.BoolVar(&dry, "dry-run", false, "only tell what would be done")
	cmd.AddCommand(rotate)
	return cmd
}

// rotateKeys prints a line for each step but those that keep what there is, and
// counts all.
func rotateKeys(cmd *cobra.Command, o service.Options, dry bool) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACTION\tPLACE\tKEY\tDETAIL")
	count := map[keys.Action]int{}
	err := service.RotateKeys(cmd.Context(), o, dry, func(s keys.Step) {
		if count[s.Action]++; s.Action == keys.Keep {
			return
		}
		detail := ""
		if s.Err != nil {
			detail = strings.ReplaceAll(s.Err.Error(), "\n", "; ")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Action, s.Place, s.Name, detail)
		if s.Err == nil { // progress is seen as it is made
			_ = table.Flush() // nothing to be done about a closed terminal
		}
	})
	var sum []string
	for action, n := range count {
		sum = append(sum, fmt.Sprintf("%d %s", n, action))
	}
	slices.Sort(sum)
	if flushed := table.Flush(); flushed != nil {
		return errors.Join(err, flushed)
	}
	fmt.Fprintln(cmd.OutOrStdout(), strings.Join(sum, ", "))
	if err != nil && count[keys.Fail] > 0 {
		return fmt.Errorf("%d keys could not be wrapped anew, or not everywhere; keep the old key provider, and run this again", count[keys.Fail])
	}
	return err
}
