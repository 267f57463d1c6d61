package resource

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	apiv1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/cli/console"
)

func roles(c *console.Console) *cobra.Command {
	var scope string
	assignments := console.Kind{Version: roleVersion, Render: flat, Path: func(id string) (string, error) {
		if id != "" {
			return id, nil
		}
		return roleScope(c, scope, "roleAssignments")
	}}
	definitions := console.Kind{Version: roleVersion, Render: flat, Path: func(string) (string, error) { return roleScope(c, scope, "roleDefinitions") },
		Columns: []console.Column{{Title: "name", Path: "roleName"}, {Title: "id", Path: "name"}}}
	list := listAssignments(c, assignments, &scope)
	list.Flags().StringVar(&scope, "scope", "", "ARM id (default: the subscription)")
	remove := assignments.Delete(c, "Take a role back")
	remove.Flags().Lookup("name").Usage = "full ARM id of the assignment (also --ids)"
	return console.Noun("role", "Who may do what", console.Noun("assignment", "Role assignments", createAssignment(c), list, remove),
		console.Noun("definition", "Role definitions", definitions.List(c)))
}

// listAssignments prints assignments as they are or, for people, by the names of
// their roles and the short names of what they are given over.
func listAssignments(c *console.Console, k console.Kind, scope *string) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List all role assignments", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := k.Path("")
		if err != nil {
			return err
		}
		items, err := c.List(cmd.Context(), path, k.Version)
		if err != nil {
			return err
		}
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = flat(item)
		}
		if !c.ForPeople() {
			return c.Print(out)
		}
		return printNamed(cmd.Context(), c, *scope, out)
	}}
}

func printNamed(ctx context.Context, c *console.Console, scope string, assignments []any) error {
	names, err := roleNames(ctx, c, scope)
	if err != nil {
		return err
	}
	for _, a := range assignments {
		m, ok := a.(map[string]any)
		if !ok {
			continue
		}
		role, _ := m["roleDefinitionId"].(string)
		over, _ := m["scope"].(string)
		m["role"], m["over"] = cmp.Or(names[strings.ToLower(console.Last(role))], role), console.Short(over)
	}
	return c.Print(assignments, console.Column{Title: "principal", Path: "principalId"}, console.Column{Title: "kind", Path: "principalType"},
		console.Column{Title: "role", Path: "role"}, console.Column{Title: "scope", Path: "over"})
}

// roleNames are the names of role definitions by the last segment of their ids.
func roleNames(ctx context.Context, c *console.Console, scope string) (map[string]string, error) {
	base, err := roleScope(c, scope, "roleDefinitions")
	if err != nil {
		return nil, err
	}
	items, err := c.List(ctx, base, roleVersion)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, item := range items {
		var d apiv1.RoleDefinition
		if err := json.Unmarshal(item, &d); err != nil {
			return nil, err
		}
		names[strings.ToLower(d.Name)] = d.Properties.RoleName
	}
	return names, nil
}

func roleScope(c *console.Console, scope, kind string) (string, error) {
	if scope == "" {
		s, err := c.SubscriptionID()
		if err != nil {
			return "", err
		}
		scope = "/subscriptions/" + s
	}
	return strings.TrimRight(scope, "/") + "/providers/Microsoft.Authorization/" + kind, nil
}

func createAssignment(c *console.Console) *cobra.Command {
	var role, scope, assignee, object, kind string
	cmd := &cobra.Command{Use: "create", Short: "Give a role to a principal", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if object == "" {
			object = assignee
		}
		id, err := definitionID(cmd.Context(), c, scope, role)
		if err != nil {
			return err
		}
		base, err := roleScope(c, scope, "roleAssignments")
		if err != nil {
			return err
		}
		body := map[string]any{"properties": map[string]any{"roleDefinitionId": id, "principalId": object, "principalType": kind}}
		out, err := c.Call(cmd.Context(), http.MethodPut, base+"/"+uuid.NewString(), roleVersion, body)
		if err != nil {
			return err
		}
		return c.Print(flat(out))
	}}
	f := cmd.Flags()
	f.StringVar(&role, "role", "", "name or id of the role")
	f.StringVar(&scope, "scope", "", "ARM id it is given over")
	f.StringVar(&assignee, "assignee", "", "the same as --assignee-object-id")
	f.StringVar(&object, "assignee-object-id", "", "object id of the principal")
	f.StringVar(&kind, "assignee-principal-type", "ServicePrincipal", "User, Group or ServicePrincipal")
	_ = cmd.MarkFlagRequired("role")
	_ = cmd.MarkFlagRequired("scope")
	cmd.MarkFlagsOneRequired("assignee", "assignee-object-id")
	return cmd
}

func definitionID(ctx context.Context, c *console.Console, scope, role string) (string, error) {
	if strings.Contains(role, "/") {
		return role, nil
	}
	base, err := roleScope(c, scope, "roleDefinitions")
	if err != nil {
		return "", err
	}
	filter := url.Values{"$filter": {"roleName eq '" + role + "'"}}
	items, err := c.List(ctx, base+"?"+filter.Encode(), roleVersion)
	if err != nil {
		return "", err
	}
	for _, item := range items {
		var d struct{ ID string }
		if json.Unmarshal(item, &d) == nil && d.ID != "" {
			return d.ID, nil
		}
	}
	return "", console.Usage("no role is called %q: see 'holdfast role definition list'", role)
}
