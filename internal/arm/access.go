package arm

import (
	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/resourceid"
)

// grants are role assignments, the caller's among them, read once per request.
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
	if r.filter == nil {
		return true
	}
	scope, err := resourceid.Parse(id)
	return err == nil && r.mayUse(r.filter, scope).Allowed
}

// mayUse decides about the route's action over the scope.
func (r *Request) mayUse(route *route, scope resourceid.ID) access.Decision {
	d := r.Allowed(route.action, scope)
	if !d.Allowed && route.reads && route.typ.FromBelow && r.holdsBelow(scope) {
		return access.Decision{Allowed: true, Reason: "a role below " + scope.String()}
	}
	return d
}

// authorise is the one decision before a handler. For a list that the caller
// may not read as a whole it turns on the filter of its values.
func (r *Request) authorise(route *route) error {
	if route.open {
		return nil
	}
	d := r.Allowed(route.action, r.ID)
	if !d.Allowed && route.list && (r.ID.IsRoot() || (enclosing(r.ID) && r.holdsBelow(r.ID))) {
		r.filter = route
		return nil
	}
	if !route.list {
		d = r.mayUse(route, r.ID)
	}
	if !d.Allowed {
		return Forbidden(r.Principal, route.action, r.ID, d.Reason)
	}
	return nil
}

// enclosing tells whether the scope holds resources without being one.
func enclosing(id resourceid.ID) bool {
	return id.HasType(resourceid.TypeSubscription) || id.HasType(resourceid.TypeResourceGroup)
}

// holdsBelow tells whether the caller holds any role at or inside of the scope.
func (r *Request) holdsBelow(scope resourceid.ID) bool {
	for _, g := range r.grants {
		if r.Principal.Holds(g) && scope.Contains(g.Scope) {
			return true
		}
	}
	return false
}
