package instance

import (
	"context"
	"encoding/json"
	"strings"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

// Find turns what a person typed, a name or a friendly name, into the name of
// the one instance it means.
func Find(ctx context.Context, c *console.Console, typed string) (string, error) {
	name, known, err := lookUp(ctx, c, typed)
	if err == nil && name == "" {
		err = console.Usage("no backup instance is called %q; there are: %s", typed, strings.Join(known, ", "))
	}
	return name, err
}

// lookUp is Find, with an empty name and the friendly names that there are when none
// is meant.
func lookUp(ctx context.Context, c *console.Console, typed string) (name string, known []string, err error) {
	v, err := c.VaultPath()
	if err != nil {
		return "", nil, err
	}
	items, err := c.List(ctx, v+"/backupInstances", vault.Version)
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
		friendly := i.Properties.FriendlyName[strings.LastIndexAny(i.Properties.FriendlyName, `\/`)+1:]
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
