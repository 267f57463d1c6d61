package provider

import (
	"context"
	"net/http"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/resourceid"
)

const (
	typeRoleDefinition = "Microsoft.Authorization/roleDefinitions"
	typeRoleAssignment = "Microsoft.Authorization/roleAssignments"
)

func (p *Platform) roleDefinitions() arm.Type {
	return arm.Type{
		Name: typeRoleDefinition, Path: "{scope}/providers/" + typeRoleDefinition + "/{role}",
		Get:   getRoleDefinition,
		Lists: []arm.List{{Path: "{scope}/providers/" + typeRoleDefinition, Handler: listRoleDefinitions}},
	}
}

func getRoleDefinition(_ context.Context, r *arm.Request) (*arm.Response, error) {
	role, known := access.RoleByID(r.Params["role"])
	if !known {
		return nil, &arm.Error{Status: http.StatusNotFound, Code: "RoleDefinitionDoesNotExist",
			Message: "The specified role definition with ID '" + r.Params["role"] + "' does not exist."}
	}
	return arm.OK(roleTo(role, r.ID.Parent())), nil
}

func listRoleDefinitions(_ context.Context, r *arm.Request) (*arm.Response, error) {
	terms, err := parseFilter(r, "roleName", "type", "atScopeAndBelow()", "atScope()")
	if err != nil {
		return nil, err
	}
	var shown []v1.RoleDefinition
	for _, role := range access.Roles() {
		if terms.accept("roleName", role.Name) && terms.accept("type", "BuiltInRole") {
			shown = append(shown, roleTo(role, r.ID))
		}
	}
	return arm.PageOf(r, shown, func(d v1.RoleDefinition) string { return d.ID })
}

// roleDefinitionID is the id of a role as it is shown at a scope: within its
// subscription, like any client of ARM knows it.
func roleDefinitionID(roleID string, scope resourceid.ID) string {
	return strings.TrimSuffix(scope.SubscriptionID().String(), "/") + "/providers/" + typeRoleDefinition + "/" + roleID
}

func roleTo(role access.Role, scope resourceid.ID) v1.RoleDefinition {
	return v1.RoleDefinition{
		ID: roleDefinitionID(role.ID, scope), Name: role.ID, Type: typeRoleDefinition,
		Properties: v1.RoleDefinitionProperties{
			RoleName: role.Name, Type: "BuiltInRole", Description: role.Description, AssignableScopes: []string{"/"},
			Permissions: []v1.RolePermission{{
				Actions: listed(role.Actions), NotActions: listed(role.NotActions),
				DataActions: listed(role.DataActions), NotDataActions: listed(role.NotDataActions),
			}},
		},
	}
}

// listed is never null on the wire.
func listed(patterns []string) []string {
	if patterns == nil {
		return []string{}
	}
	return patterns
}
