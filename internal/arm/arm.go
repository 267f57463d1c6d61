// Package arm is the framework under the public API: resource types are
// declared as values, and from the declarations it makes an http.Handler that
// behaves as Azure Resource Manager does.
//
//	request -> ids, panics      headers.go, server.go
//	        -> who is calling   Authenticator
//	        -> route, id        route.go, template.go (case ignored, canonical echo)
//	        -> api-version      version.go
//	        -> access decision  access.go (one place, before any handler)
//	        -> scope exists     Scopes
//	        -> body             request.go
//	        -> Handler          the type's own code
//	        -> document         response.go, page.go, errors.go, poll.go
//
// It knows no product word.
package arm

import "context"

// Handler answers one request. An error should be or wrap an *Error; anything
// else becomes a 500 that names only the correlation id.
type Handler func(ctx context.Context, r *Request) (*Response, error)

// Type declares one resource type. A verb without a handler is not offered.
type Type struct {
	// Name is the full type in canonical case, such as "Microsoft.Web/sites/slots".
	// Actions that access decides about derive from it.
	Name string
	// Path is the template of one resource's id, such as
	// "/subscriptions/{subscription}/resourceGroups/{resourceGroup}/providers/Microsoft.Web/sites/{site}".
	// An extension of any scope starts with "{scope}":
	// "{scope}/providers/Microsoft.Authorization/locks/{lock}".
	// Empty when the type only has lists or actions with paths of their own.
	Path string
	// MinVersion is the oldest api-version accepted, such as "2022-12-01";
	// empty accepts every well-formed one.
	MinVersion string
	// FromBelow lets everybody who holds any role inside of a resource read the
	// resource itself, as for a group whose members one may see.
	FromBelow bool

	Get, Put, Patch, Delete, Head Handler

	Lists   []List
	Actions []Action
}

// List declares an address that lists resources of the type. The handler must
// answer with Page or PageOf.
//
// Access: the type's read action at the scope listed. A caller who lacks it at
// a resource group or a subscription but holds some role below, or lacks it at
// the root, gets those values he may read.
type List struct {
	// Path is the template of the collection, such as
	// "/subscriptions/{subscription}/providers/Microsoft.Web/sites".
	// Request.ID is the scope before the collection.
	Path    string
	Handler Handler
	// Method is GET when empty.
	Method string
	// Action replaces the type's read action when not empty.
	Action string
	// Open asks for no role, only for a known caller, and shows everything. For
	// what every client reads before it knows where it is.
	Open bool
}

// Action declares a verb on a resource, such as POST {id}/restart.
type Action struct {
	// Name is the last segment of the address, in canonical case.
	Name    string
	Handler Handler
	// Method is POST when empty.
	Method string
	// Path is the template of what is acted on when that is not Type.Path.
	Path string
	// Action is what access decides about; when empty it is
	// "{type}/{name}/action", or "{type}/{name}/read" for GET.
	Action string
}
