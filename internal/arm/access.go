package arm

import (
	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/resourceid"
)

// grants are the role assignments of the caller, read once per request.
type grants []access.Assignment

// Allowed decides about an action other than the request's own.
func (r *Request) Allowed(action string, scope resourceid.ID) access.Decision {
	return access.Decide(r.Principal, r.grants, action, scope)
}

// Require is Allowed as an error: AuthorizationFailed when denied.
func (r *Request) Require(action string, scope resourceid.ID) error {
	if d := r.Allowed(action, scope); !d.Allowed {
		return Forbidden(r.Principal, action, scope, d.Reason)
	}
	return nil
}

// RequireLinked is Require for a second scope that the request refers to, such
// as the target of a copy: LinkedAuthorizationFailed when denied.
func (r *Request) RequireLinked(action string, scope resourceid.ID) error {
	if d := r.Allowed(action, scope); !d.Allowed {
		return LinkedForbidden(r.Principal, action, scope, d.Reason)
	}
	return nil
}

// mayRead tells whether a value of a list may be shown.
func (r *Request) mayRead(id string) bool {
	if r.readable == "" {
		return true
	}
	scope, err := resourceid.Parse(id)
	return err == nil && r.Allowed(r.readable, scope).Allowed
}

// authorise is the one decision before a handler. For a list that the caller
// may not read as a whole it turns on the filter of its values.
func (r *Request) authorise(route *route) error {
	d := r.Allowed(route.action, r.ID)
	switch {
	case d.Allowed:
		return nil
	case !route.list:
		return Forbidden(r.Principal, route.action, r.ID, d.Reason)
	case route.open || (enclosing(r.ID) && r.holdsBelow(r.ID)):
		r.readable = route.action
		return nil
	default:
		return Forbidden(r.Principal, route.action, r.ID, d.Reason)
	}
}

// enclosing tells whether the scope holds resources without being one.
func enclosing(id resourceid.ID) bool {
	return id.IsRoot() || id.HasType(resourceid.TypeSubscription) || id.HasType(resourceid.TypeResourceGroup)
}

// holdsBelow tells whether the caller holds any role inside of the scope.
func (r *Request) holdsBelow(scope resourceid.ID) bool {
	for _, g := range r.grants {
		if scope.Contains(g.Scope) {
			return true
		}
	}
	return false
}
