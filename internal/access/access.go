// Package access decides who may do what: principals hold roles over scopes
// by assignments, a role is a set of action patterns. It is pure; a denial
// carries its reason.
package access

import (
	"fmt"

	"holdfast.dev/holdfast/internal/resourceid"
)

// Kind says what sort of caller a principal is, in the words of role assignments.
type Kind string

// The kinds of principal. An agent is a program in a connected cluster; it is
// named by its certificate and holds no roles.
const (
	User             Kind = "User"
	Group            Kind = "Group"
	ServicePrincipal Kind = "ServicePrincipal"
	Agent            Kind = "Agent"
)

// Principal is who is calling.
type Principal struct {
	ObjectID string // what assignments name
	TenantID string
	AppID    string   // the client id, empty for users
	Name     string   // for people and logs
	Kind     Kind     // empty means nobody
	Groups   []string // object ids of groups the principal belongs to
}

// Assignment gives the principal a role over a scope and everything below it.
type Assignment struct {
	PrincipalID string
	RoleID      string // GUID of the role definition
	Scope       resourceid.ID
}

// Decision is the answer to one question.
type Decision struct {
	Allowed bool
	// Reason names the role and scope that allowed it, or why nothing did.
	Reason string
}

// Decide tells whether the principal may perform the control-plane action,
// such as "Microsoft.Web/sites/write", over the scope. Assignments of others
// are ignored, so any superset may be given.
func Decide(p Principal, assignments []Assignment, action string, scope resourceid.ID) Decision {
	return decide(p, assignments, action, scope, Role.Allows)
}

// DecideData is Decide for actions on data, which roles grant separately.
func DecideData(p Principal, assignments []Assignment, action string, scope resourceid.ID) Decision {
	return decide(p, assignments, action, scope, Role.AllowsData)
}

func decide(p Principal, all []Assignment, action string, scope resourceid.ID, allows func(Role, string) bool) Decision {
	if p.ObjectID == "" {
		return Decision{Reason: "the caller is not known"}
	}
	var reaching []string
	for _, a := range all {
		if !p.Holds(a) || !a.Scope.Contains(scope) {
			continue
		}
		role, known := RoleByID(a.RoleID)
		if !known {
			continue
		}
		if action != "" && allows(role, action) {
			return Decision{true, fmt.Sprintf("role %s at %s", role.Name, a.Scope)}
		}
		reaching = append(reaching, role.Name)
	}
	return Decision{Reason: denial(reaching, action, scope)}
}

func denial(reaching []string, action string, scope resourceid.ID) string {
	if len(reaching) == 0 {
		return fmt.Sprintf("no role is assigned at %s or above it", scope)
	}
	return fmt.Sprintf("none of the roles held at %s %q includes %s", scope, reaching, action)
}

// Holds tells whether the assignment is the principal's or one of its groups'.
func (p Principal) Holds(a Assignment) bool {
	if resourceid.Key(a.PrincipalID) == resourceid.Key(p.ObjectID) {
		return true
	}
	for _, g := range p.Groups {
		if g != "" && resourceid.Key(g) == resourceid.Key(a.PrincipalID) {
			return true
		}
	}
	return false
}
