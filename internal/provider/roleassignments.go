package provider

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/resourceid"
)

func (p *Platform) roleAssignments() arm.Type {
	return arm.Type{
		Name: typeRoleAssignment, Path: "{scope}/providers/" + typeRoleAssignment + "/{assignment}",
		Get: p.getAssignment, Put: p.putAssignment, Delete: p.deleteAssignment,
		Lists: []arm.List{{Path: "{scope}/providers/" + typeRoleAssignment, Handler: p.listAssignments}},
	}
}

func (p *Platform) getAssignment(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var a *inventory.RoleAssignment
	err := p.store.View(ctx, func(tx catalog.Tx) (err error) {
		a, err = inventory.RoleAssignments.Get(tx, r.ID.Key())
		return err
	})
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, &arm.Error{Status: http.StatusNotFound, Code: "RoleAssignmentNotFound",
			Message: "The role assignment '" + r.ID.Name() + "' is not found."}
	} else if err != nil {
		return nil, err
	}
	return arm.OK(assignmentTo(a)), nil
}

func (p *Platform) putAssignment(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	a, err := assignmentFrom(r)
	if err != nil {
		return nil, err
	}
	status := http.StatusCreated
	err = p.store.Update(ctx, func(tx catalog.Tx) error {
		old, err := existing(inventory.RoleAssignments.Get(tx, r.ID.Key()))
		if err != nil {
			return err
		}
		var meta *backup.Meta
		if old != nil {
			if !sameGrant(old, a) {
				return arm.Refused(http.StatusBadRequest, "RoleAssignmentUpdateNotPermitted", "properties",
					"Role, principal and scope of a role assignment cannot be changed.")
			}
			meta, status = &old.Meta, http.StatusOK
		} else if err := refuseTwin(tx, a); err != nil {
			return err
		}
		stamp(&a.Meta, meta, r, p.clock.Now())
		return inventory.RoleAssignments.Put(tx, a)
	})
	if err != nil {
		return nil, err
	}
	return &arm.Response{Status: status, Body: assignmentTo(a)}, nil
}

// assignmentFrom reads and checks a body.
func assignmentFrom(r *arm.Request) (*inventory.RoleAssignment, error) {
	var in v1.RoleAssignment
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	bad := func(code, target, format string, args ...any) error {
		return arm.Refused(http.StatusBadRequest, code, target, format, args...)
	}
	if _, err := uuid.Parse(r.ID.Name()); err != nil {
		return nil, bad("InvalidRoleAssignmentId", "name", "The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", r.ID.Name())
	}
	props := in.Properties
	if _, err := uuid.Parse(props.PrincipalID); err != nil {
		return nil, bad("InvalidPrincipalId", "properties.principalId", "The principal ID '%s' is not valid. Principal ID must be a GUID.", props.PrincipalID)
	}
	role, err := roleOf(props.RoleDefinitionID)
	if err != nil {
		return nil, err
	}
	if props.Condition != nil && *props.Condition != "" {
		return nil, bad("RoleAssignmentConditionNotSupported", "properties.condition",
			"Conditions are not supported: without its condition the assignment would grant more than was asked for.")
	}
	kind, err := pickEnum("properties.principalType", props.PrincipalType,
		string(access.User), string(access.Group), string(access.ServicePrincipal), "ForeignGroup", "Device")
	if err != nil {
		return nil, err
	}
	if kind == "" {
		kind = string(access.ServicePrincipal)
	}
	a := &inventory.RoleAssignment{Scope: r.Params["scope"], RoleID: role.ID, PrincipalID: props.PrincipalID, PrincipalType: access.Kind(kind)}
	if props.Description != nil {
		a.Description = *props.Description
	}
	return a, nil
}

// roleOf finds the role that a definition's id names; the scope in it does not
// matter, built-in roles are the same everywhere.
func roleOf(definition string) (access.Role, error) {
	id, err := resourceid.Parse(definition)
	if err == nil && strings.HasSuffix(strings.ToLower(id.Type()), strings.ToLower(typeRoleDefinition)) {
		if role, known := access.RoleByID(id.Name()); known {
			return role, nil
		}
	}
	return access.Role{}, arm.Refused(http.StatusBadRequest, "RoleDefinitionDoesNotExist", "properties.roleDefinitionId",
		"The specified role definition with ID '%s' does not exist.", definition)
}

func sameGrant(a, b *inventory.RoleAssignment) bool {
	return backup.SameID(a.Scope, b.Scope) && strings.EqualFold(a.RoleID, b.RoleID) && strings.EqualFold(a.PrincipalID, b.PrincipalID)
}

// refuseTwin keeps one assignment per scope, role and principal.
func refuseTwin(tx catalog.Tx, a *inventory.RoleAssignment) error {
	held, err := inventory.RoleAssignments.With(tx, inventory.LabelPrincipal, resourceid.Key(a.PrincipalID))
	if err != nil {
		return err
	}
	for i := range held {
		if sameGrant(&held[i], a) {
			return arm.Conflict("RoleAssignmentExists", "The role assignment already exists. Its ID is '%s'.", held[i].Name())
		}
	}
	return nil
}

func (p *Platform) deleteAssignment(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var a *inventory.RoleAssignment
	err := p.store.Update(ctx, func(tx catalog.Tx) (err error) {
		if a, err = existing(inventory.RoleAssignments.Get(tx, r.ID.Key())); err != nil || a == nil {
			return err
		}
		if err := refuseLastOwner(tx, a); err != nil {
			return err
		}
		return inventory.RoleAssignments.Delete(tx, a.ID)
	})
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return arm.NoContent(), nil
	default:
		return arm.OK(assignmentTo(a)), nil
	}
}

// refuseLastOwner keeps callers from locking everybody out.
func refuseLastOwner(tx catalog.Tx, a *inventory.RoleAssignment) error {
	last, err := inventory.LastOwner(tx, *a)
	if err != nil || !last {
		return err
	}
	return &arm.Error{Status: http.StatusConflict, Code: "LastOwnerAssignment", UserError: true,
		Message: "The role assignment '" + a.Name() + "' is the last one of the role Owner at '/' whose principal can sign in: without it nobody could administer the service any more. " +
			"Assign Owner at '/' to another service principal first.",
		Actions: []string{"Assign Owner at '/' to another service principal, then delete this one."}}
}

// listAssignments shows what holds at a scope: given there, above it, or,
// without atScope(), below it.
func (p *Platform) listAssignments(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	terms, err := parseFilter(r, "atScope()", "principalId", "assignedTo()")
	if err != nil {
		return nil, err
	}
	var all []inventory.RoleAssignment
	err = p.store.View(ctx, func(tx catalog.Tx) (err error) {
		all, err = inventory.AllAssignments(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var shown []v1.RoleAssignment
	for i := range all {
		scope, err := resourceid.Parse(all[i].Scope)
		if err != nil {
			return nil, err
		}
		here := scope.Contains(r.ID) || (!terms.has("atScope()") && r.ID.Contains(scope))
		if here && terms.accept("principalId", all[i].PrincipalID) && terms.accept("assignedTo()", all[i].PrincipalID) {
			shown = append(shown, assignmentTo(&all[i]))
		}
	}
	return arm.PageOf(r, shown, func(a v1.RoleAssignment) string { return a.ID })
}

func assignmentTo(a *inventory.RoleAssignment) v1.RoleAssignment {
	scope := resourceid.MustParse(a.Scope) // it was made from a parsed id
	out := v1.RoleAssignment{ID: a.ID, Name: a.Name(), Type: typeRoleAssignment, Properties: v1.RoleAssignmentProperties{
		RoleDefinitionID: roleDefinitionID(a.RoleID, scope), PrincipalID: a.PrincipalID, PrincipalType: string(a.PrincipalType),
		Scope: a.Scope, CreatedOn: arm.FormatTime(a.System.CreatedAt), UpdatedOn: arm.FormatTime(a.System.ChangedAt),
		CreatedBy: a.System.CreatedBy, UpdatedBy: a.System.ChangedBy,
	}}
	if a.Description != "" {
		out.Properties.Description = &a.Description
	}
	return out
}
