package resource

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func roles(c *console.Console) *cobra.Command {
	var scope string
	assignments := console.Kind{Version: roleVersion, Render: flat, Path: func(id string) (string, error) {
		if id != "" {
			return id, nil
		}
		return roleScope(c, scope, "roleAssignments")
	}, Columns: []console.Column{{Title: "principal", Path: "principalId"}, {Title: "role", Path: "roleDefinitionId"}, {Title: "scope", Path: "scope"}}}
	definitions := console.Kind{Version: roleVersion, Render: flat, Path: func(string) (string, error) { return roleScope(c, scope, "roleDefinitions") },
		Columns: []console.Column{{Title: "name", Path: "roleName"}, {Title: "id", Path: "name"}}}
	list := assignments.List(c)
	list.Flags().StringVar(&scope, "scope", "", "ARM id (default: the subscription)")
	remove := assignments.Delete(c, "Take a role back")
	remove.Flags().Lookup("name").Usage = "full ARM id of the assignment (also --ids)"
	return console.Noun("role", "Who may do what", console.Noun("assignment", "Role assignments", createAssignment(c), list, remove),
		console.Noun("definition", "Role definitions", definitions.List(c)))
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
	f.StringVar(&assignee, "assignee", "", "object id of the principal")
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
