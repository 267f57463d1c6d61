// Package resource has the commands for what stands around a vault: resource
// groups, storage accounts, role assignments, clusters, extensions, trusted
// access. Nouns, verbs and flags are those of az.
package resource

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

// The api-versions these commands speak.
const (
	groupVersion     = "2023-07-01"
	clusterVersion   = "2025-10-01"
	extensionVersion = "2024-11-01"
	storageVersion   = "2023-05-01"
	roleVersion      = "2022-04-01"
)

// Commands returns the command groups of this package.
func Commands(c *console.Console) []*cobra.Command {
	return []*cobra.Command{groups(c), clusters(c), aks(c), extensions(c), storage(c), roles(c)}
}

// nameFlag registers --name/-n on a command and requires it.
func nameFlag(cmd *cobra.Command, name *string, what string) {
	cmd.Flags().StringVarP(name, "name", "n", "", what)
	_ = cmd.MarkFlagRequired("name")
}

// noun returns an empty command that groups verbs.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(verbs...)
	return cmd
}

// shower returns a show command.
func shower(c *console.Console, version string, path func(name string) (string, error), render func(json.RawMessage) any, cols ...console.Column) *cobra.Command {
	var name string
	cmd := &cobra.Command{Use: "show", Short: "Show one", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(name)
		if err != nil {
			return err
		}
		out, err := c.Get(cmd.Context(), p, version)
		if err != nil {
			return err
		}
		return c.Print(render(out), cols...)
	}}
	nameFlag(cmd, &name, "name")
	return cmd
}

// lister returns a list command.
func lister(c *console.Console, version string, path func() (string, error), render func(json.RawMessage) any, cols ...console.Column) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List all", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path()
		if err != nil {
			return err
		}
		items, err := c.List(cmd.Context(), p, version)
		if err != nil {
			return err
		}
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = render(item)
		}
		return c.Print(out, cols...)
	}}
}

// deleter returns a delete command.
func deleter(c *console.Console, version string, path func(name string) (string, error)) *cobra.Command {
	var name string
	cmd := &cobra.Command{Use: "delete", Short: "Delete one", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := path(name)
		if err != nil {
			return err
		}
		_, err = c.Call(cmd.Context(), http.MethodDelete, p, version, nil)
		return err
	}}
	nameFlag(cmd, &name, "name")
	console.Confirm(c, cmd)
	return cmd
}

// flat hoists the properties of a resource, as az does for these nouns.
func flat(raw json.RawMessage) any {
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return raw
	}
	props, _ := m["properties"].(map[string]any)
	delete(m, "properties")
	for k, v := range props {
		if _, taken := m[k]; !taken {
			m[k] = v
		}
	}
	if id, ok := m["id"].(string); ok {
		m["resourceGroup"] = groupOf(id)
	}
	return m
}

func groupOf(id string) string {
	parts := strings.Split(id, "/")
	for i := 0; i+1 < len(parts); i++ {
		if strings.EqualFold(parts[i], "resourceGroups") {
			return parts[i+1]
		}
	}
	return ""
}
