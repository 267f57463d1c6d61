// Package resource has the commands for what stands around a vault: resource
// groups, storage accounts, role assignments, clusters, extensions, trusted
// access. Nouns, verbs and flags are those of az.
package resource

import (
	"encoding/json"
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
