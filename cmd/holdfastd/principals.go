package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
)

func principalCommand() *cobra.Command {
	o := service.Options{Clock: clock.System{}}
	cmd := &cobra.Command{
		Use: "principal", Short: "Create, list and delete service principals",
		Long: "Create, list and delete service principals: the programs and people that may sign in. All of it works beside a running service.",
	}
	cmd.PersistentFlags().StringVar(&o.DataDir, "data-dir", defaultDataDir, "data directory of the service")
	databaseFlags(cmd.PersistentFlags(), &o)
	cmd.AddCommand(createPrincipal(&o), listPrincipals(&o), deletePrincipal(&o))
	return cmd
}

func createPrincipal(o *service.Options) *cobra.Command {
	var name string
	var roles, scopes []string
	cmd := &cobra.Command{
		Use: "create", Short: "Create a service principal and print how it signs in", Args: cobra.NoArgs,
		Long:    "Create a service principal and print how it signs in, in the form that 'holdfast login --admin-file' reads. The secret is shown this once and cannot be read again.",
		Example: "  (umask 077; holdfastd principal create --name ci --role \"Backup Operator\" --scope /subscriptions/ID/resourceGroups/backup >ci.json)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(roles) != len(scopes) {
				return fmt.Errorf("%d roles and %d scopes: give one --scope for each --role, in the same order", len(roles), len(scopes))
			}
			var grants []service.Grant
			for i := range roles {
				grants = append(grants, service.Grant{Role: roles[i], Scope: scopes[i]})
			}
			made, err := service.CreatePrincipal(cmd.Context(), *o, name, grants)
			if err != nil {
				return err
			}
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetIndent("", "  ")
			return out.Encode(made)
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "a name that no other service principal has")
	f.StringArrayVar(&roles, "role", nil, "name of a role to hold, with --scope; may be repeated")
	f.StringArrayVar(&scopes, "scope", nil, "where it holds the role: /, or the id of a subscription, resource group or resource")
	_ = cmd.MarkFlagRequired("name") // fails for an unknown flag only
	return cmd
}

func listPrincipals(o *service.Options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the service principals", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := service.Principals(cmd.Context(), *o)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "NAME\tCLIENT ID\tOBJECT ID\tCREATED")
			for _, p := range all {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.Name, p.ClientID, p.ObjectID, p.Created.UTC().Format(time.RFC3339))
			}
			return table.Flush()
		},
	}
}

func deletePrincipal(o *service.Options) *cobra.Command {
	var name, clientID string
	cmd := &cobra.Command{
		Use: "delete", Short: "Delete a service principal and its role assignments", Args: cobra.NoArgs,
		Long: "Delete a service principal and its role assignments. Its tokens stop working at once. The last Owner of everything is refused.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (name == "") == (clientID == "") {
				return errors.New("give either --name or --client-id")
			}
			return service.DeletePrincipal(cmd.Context(), *o, name, clientID)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "its name")
	cmd.Flags().StringVar(&clientID, "client-id", "", "its client id")
	return cmd
}
