package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
)

const defaultDataDir = "/var/lib/holdfast"

func serveCommand() *cobra.Command {
	var o service.Options
	var format string
	var verbose bool
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the API, the agents and the work", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Log, err = logger(format, verbose); err != nil {
				return err
			}
			if err := setClock(&o); err != nil {
				return err
			}
			s, err := service.Open(cmd.Context(), o)
			if err != nil {
				return err
			}
			return s.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.DataDir, "data-dir", defaultDataDir, "catalog, keys, certificates and default stores")
	databaseFlags(f, &o)
	f.StringVar(&o.Listen, "listen", ":8443", "address of the public API")
	f.StringVar(&o.AgentListen, "agent-listen", ":8444", "address that agents call")
	f.StringVar(&o.MetricsListen, "metrics-listen", "", "address for Prometheus, without sign-in, such as 127.0.0.1:9464")
	f.StringSliceVar(&o.Advertise, "advertise", []string{"localhost", "127.0.0.1"}, "host names and addresses by which clients and agents reach the service, the best one first")
	f.StringVar(&o.TLSCert, "tls-cert", "", "file of the certificate chain; without it the service makes its own")
	f.StringVar(&o.TLSKey, "tls-key", "", "file of the certificate's key")
	f.StringVar(&o.TLSCA, "tls-ca", "", "file of the authority that clients trust the certificate by, when it is not a public one")
	f.StringSliceVar(&o.StoreFolders, "store-folder", nil, "absolute folder below which storage accounts may have file:// stores")
	keyFlags(f, &o)
	vaultStoreFlags(cmd, &o)
	f.DurationVar(&o.ReplicaRefresh, "replica-refresh", time.Minute, "how often the stores of replicas are looked into for what is new")
	careFlags(f, &o)
	scheduleFlags(f, &o)
	f.Int64Var(&o.VaultLimits.VolumeBytes, "vault-volume-limit", 0, "bytes of the largest volume that is copied into a vault; 0 is no limit")
	f.IntVar(&o.VaultLimits.Volumes, "vault-volumes", 0, "most volumes of one recovery point that are copied into a vault; 0 is no limit")
	f.Int64Var(&o.VaultLimits.BytesPerSecond, "vault-rate", 0, "bytes per second that each mover may send into a vault; 0 is no limit")
	f.StringVar(&format, "log-format", "text", "text or json")
	f.BoolVar(&verbose, "verbose", false, "log debug messages too")
	return cmd
}

func migrateCommand() *cobra.Command {
	var o service.Options
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database up to date", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return service.Migrate(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.DataDir, "data-dir", defaultDataDir, "data directory of the service")
	databaseFlags(cmd.Flags(), &o)
	return cmd
}

func checkCommand() *cobra.Command {
	o := service.Options{Clock: clock.System{}}
	cmd := &cobra.Command{
		Use: "check", Short: "Check the database, the keys, the certificates and the stores", Args: cobra.NoArgs,
		Long: "Check the database, the keys, the certificates and the stores. It may run beside the service. It changes nothing, but for small objects that it writes into the stores of vaults and replicas and deletes again. The exit code is 1 when there is a problem.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return report(cmd.OutOrStdout(), service.Check(cmd.Context(), o))
		},
	}
	cmd.Flags().StringVar(&o.DataDir, "data-dir", defaultDataDir, "data directory of the service")
	databaseFlags(cmd.Flags(), &o)
	keyFlags(cmd.Flags(), &o)
	cmd.Flags().StringVar(&o.TLSCert, "tls-cert", "", "file of the certificate chain, when the service is given one")
	cmd.Flags().StringVar(&o.TLSKey, "tls-key", "", "file of the certificate's key")
	vaultStoreFlags(cmd, &o)
	return cmd
}

// databaseFlags are the same wherever the catalog is opened. A URL in the
// environment does not show in the list of processes.
func databaseFlags(f *pflag.FlagSet, o *service.Options) {
	f.StringVar(&o.Database, "database", "", "URL of a PostgreSQL database for catalog and work, postgres://user@host/name (or $HOLDFAST_DATABASE); without it a SQLite file in the data directory")
	o.Database = os.Getenv("HOLDFAST_DATABASE") // no default, which would be shown with its password
	f.IntVar(&o.DatabaseConnections, "database-connections", sqlstore.Connections, "most connections of this process to PostgreSQL")
}

// vaultStoreFlags are the same wherever the store of the vaults is opened. A key
// in the environment does not show in the list of processes.
func vaultStoreFlags(cmd *cobra.Command, o *service.Options) {
	f := cmd.Flags()
	o.VaultStoreKey = os.Getenv("HOLDFAST_VAULT_STORE_KEY")
	f.StringVar(&o.VaultStore, "vault-store", "", "URL of the store of the vaults: file:///folder, https://account.host/container, s3://bucket or gs://bucket; without it a folder of the data directory")
	f.StringVar(&o.VaultStoreAccount, "vault-store-account", "", "name of the vault store's account, or id of its access key")
	f.StringVar(&o.RegionsFile, "regions", "", "YAML file of regions and the stores that vaults are replicated into")
	f.StringVar(&o.VaultStoreKeyFile, "vault-store-key-file", "", "file of the vault store's key (or $HOLDFAST_VAULT_STORE_KEY)")
}

// report prints findings as a table and fails when there is a problem.
func report(to io.Writer, findings []service.Finding) error {
	problems := 0
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHECK\tRESULT\tDETAIL")
	for _, f := range findings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Check, f.Result, f.Detail)
		if f.Result == service.Problem {
			problems++
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if problems > 0 {
		return fmt.Errorf("%d problems found", problems)
	}
	return nil
}

// logger writes to standard error.
func logger(format string, verbose bool) (*slog.Logger, error) {
	options := &slog.HandlerOptions{}
	if verbose {
		options.Level = slog.LevelDebug
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	default:
		return nil, fmt.Errorf("log format %q is not text or json", format)
	}
}
