package instance

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

// Find turns what a person typed, a name or a friendly name, into the name of
// the one instance it means.
func Find(ctx context.Context, c *console.Console, typed string) (string, error) {
	name, known, err := lookUp(ctx, c, present, typed)
	if err == nil && name == "" {
		err = console.Usage("no backup instance is called %q; there are: %s", typed, strings.Join(known, ", "))
	}
	return name, err
}

// Friendly is what people call an instance: its friendly name without the cluster's.
func Friendly(name string) string { return name[strings.LastIndexAny(name, `\/`)+1:] }

// lookUp is Find, with an empty name and the friendly names that there are when none
// is meant.
func lookUp(ctx context.Context, c *console.Console, collection, typed string) (name string, known []string, err error) {
	v, err := c.VaultPath()
	if err != nil {
		return "", nil, err
	}
	items, err := c.List(ctx, v+"/"+collection, vault.Version)
	if err != nil {
		return "", nil, err
	}
	var matches []string
	for _, raw := range items {
		var i struct {
			Name       string `json:"name"`
			Properties struct {
				FriendlyName string `json:"friendlyName"`
			} `json:"properties"`
		}
		if err := json.Unmarshal(raw, &i); err != nil {
			return "", nil, err
		}
		friendly := Friendly(i.Properties.FriendlyName)
		known = append(known, friendly)
		if strings.EqualFold(i.Name, typed) {
			return i.Name, known, nil
		}
		if strings.EqualFold(friendly, typed) || strings.EqualFold(i.Properties.FriendlyName, typed) {
			matches = append(matches, i.Name)
		}
	}
	switch len(matches) {
	case 0:
		return "", known, nil
	case 1:
		return matches[0], known, nil
	}
	return "", known, console.Usage("%q means several backup instances: %s", typed, strings.Join(matches, ", "))
}

// The collections of a vault that have instances.
const (
	present = "backupInstances"
	deleted = "deletedBackupInstances"
)

// byFriendlyName lets --name of a command be the friendly name of an instance too.
func byFriendlyName(c *console.Console, collection string, cmd *cobra.Command) *cobra.Command {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		name := cmd.Flags().Lookup("name").Value
		meant, err := resolve(c, collection)(cmd.Context(), name.String())
		if err != nil {
			return err
		}
		return name.Set(meant)
	}
	return cmd
}

// resolve turns a friendly name into the name of an instance. A name goes first, and
// costs no list; what is neither stays as it is, for the service to refuse.
func resolve(c *console.Console, collection string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, typed string) (string, error) {
		v, err := c.VaultPath()
		if err != nil || typed == "" {
			return typed, err
		}
		if _, err := c.Get(ctx, v+"/"+collection+"/"+typed, vault.Version); !client.IsNotFound(err) {
			return typed, nil // whatever it is, the command itself tells
		}
		name, _, err := lookUp(ctx, c, collection, typed)
		if client.IsNotFound(err) {
			err = nil
		}
		return cmp.Or(name, typed), err
	}
}
