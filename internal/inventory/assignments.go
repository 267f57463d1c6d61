package inventory

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/resourceid"
)

// LabelPrincipal finds role assignments by the lower-case object id of the principal.
const LabelPrincipal = "principal"

// RoleAssignment gives a principal a role over a scope.
type RoleAssignment struct {
	backup.Meta
	Scope         string      `json:"scope"`
	RoleID        string      `json:"roleId"`      // GUID of the role definition
	PrincipalID   string      `json:"principalId"` // object id, at most 512 bytes
	PrincipalType access.Kind `json:"principalType"`
	Description   string      `json:"description,omitempty"`
}

// RoleAssignments is the collection of all assignments.
var RoleAssignments = Collection[RoleAssignment, *RoleAssignment]{kind: "roleassignment",
	labels: func(a *RoleAssignment) map[string]string {
		return map[string]string{LabelPrincipal: resourceid.Key(a.PrincipalID)}
	}}

// Grant returns what access decides with.
func (a RoleAssignment) Grant() (access.Assignment, error) {
	scope, err := resourceid.Parse(a.Scope)
	if err != nil {
		return access.Assignment{}, fmt.Errorf("role assignment %s: %w", a.ID, err)
	}
	return access.Assignment{PrincipalID: a.PrincipalID, RoleID: a.RoleID, Scope: scope}, nil
}

// AllAssignments reads every assignment, in order of ids.
func AllAssignments(tx catalog.Tx) ([]RoleAssignment, error) {
	return RoleAssignments.all(tx, catalog.Query{})
}

// GrantsOf reads what the principals with the given object ids hold.
func GrantsOf(tx catalog.Tx, objectIDs ...string) ([]access.Assignment, error) {
	var grants []access.Assignment
	for _, id := range objectIDs {
		held, err := RoleAssignments.With(tx, LabelPrincipal, resourceid.Key(id))
		if err != nil {
			return nil, fmt.Errorf("role assignments of %s: %w", id, err)
		}
		for _, a := range held {
			g, err := a.Grant()
			if err != nil {
				return nil, err
			}
			grants = append(grants, g)
		}
	}
	return grants, nil
}

// DeleteAssignmentsIn removes every assignment at or below the scope. Call it
// in the transaction that deletes the resource, so that a later one of the
// same name does not inherit the rights given over it.
func DeleteAssignmentsIn(tx catalog.Tx, scope resourceid.ID) error {
	all, err := RoleAssignments.Below(tx, scope.Key())
	if err != nil {
		return err
	}
	for _, a := range all {
		if err := RoleAssignments.Delete(tx, a.ID); err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
	}
	return nil
}

// Grants answers who holds what from a store.
type Grants struct{ Store catalog.Store }

// Assignments reads what the principal and its groups hold.
func (g Grants) Assignments(ctx context.Context, p access.Principal) (grants []access.Assignment, err error) {
	err = g.Store.View(ctx, func(tx catalog.Tx) error {
		grants, err = GrantsOf(tx, append([]string{p.ObjectID}, p.Groups...)...)
		return err
	})
	return grants, err
}
