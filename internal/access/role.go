package access

import "strings"

// Role is a named set of action patterns. "*" in a pattern stands for any run
// of characters; patterns compare without regard to case.
type Role struct {
	ID             string // GUID
	Name           string
	Description    string
	Actions        []string
	NotActions     []string // taken away from Actions
	DataActions    []string
	NotDataActions []string
}

// Allows tells whether the role grants the control-plane action.
func (r Role) Allows(action string) bool {
	return matchAny(r.Actions, action) && !matchAny(r.NotActions, action)
}

// AllowsData tells whether the role grants the action on data.
func (r Role) AllowsData(action string) bool {
	return matchAny(r.DataActions, action) && !matchAny(r.NotDataActions, action)
}

// RoleByID finds a built-in role by its GUID.
func RoleByID(id string) (Role, bool) {
	for _, r := range builtin {
		if strings.EqualFold(r.ID, id) {
			return r, true
		}
	}
	return Role{}, false
}

// RoleByName finds a built-in role by its name, without regard to case.
func RoleByName(name string) (Role, bool) {
	for _, r := range builtin {
		if strings.EqualFold(r.Name, name) {
			return r, true
		}
	}
	return Role{}, false
}

// Roles returns the built-in roles in a fixed order.
func Roles() []Role { return append([]Role(nil), builtin...) }

func matchAny(patterns []string, action string) bool {
	for _, p := range patterns {
		if Match(p, action) {
			return true
		}
	}
	return false
}

// Match tells whether the action fits the pattern. It takes time in
// proportion to the two lengths' product at worst.
func Match(pattern, action string) bool {
	p, a := strings.ToLower(pattern), strings.ToLower(action)
	star, retry := -1, 0
	i, j := 0, 0
	for j < len(a) {
		switch {
		case i < len(p) && p[i] == '*':
			star, retry = i, j
			i++
		case i < len(p) && p[i] == a[j]:
			i++
			j++
		case star >= 0:
			retry++
			i, j = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(p[i:], "*") == ""
}
