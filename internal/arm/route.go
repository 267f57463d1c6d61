package arm

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/resourceid"
)

// route is one method on one family of addresses.
type route struct {
	template template
	method   string
	typ      *Type
	handler  Handler
	action   string // what access decides about
	tail     int    // segments of the address that follow the id
	reads    bool   // action is the type's read
	list     bool
	open     bool
	poll     *pollRoute // set in place of typ and handler
}

// router finds routes. Addresses with fewer free segments come first.
type router struct {
	routes []*route
	taken  map[string]bool
}

func (rt *router) add(r *route, path string) error {
	t, err := parseTemplate(path)
	if err != nil {
		return err
	}
	r.template = t
	key := r.method + " " + t.String()
	if rt.taken[key] {
		return fmt.Errorf("two declarations of %s", key)
	}
	rt.taken[key] = true
	rt.routes = append(rt.routes, r)
	return nil
}

func (rt *router) sort() {
	free := func(r *route) int {
		n := len(r.template.params())
		if r.template.scope {
			n += 1000
		}
		return n
	}
	slices.SortStableFunc(rt.routes, func(a, b *route) int {
		return cmp.Or(free(a)-free(b), len(b.template.segments)-len(a.template.segments))
	})
}

// addType makes the routes of a declaration.
func (rt *router) addType(t *Type) error {
	verbs := []struct {
		method, verb string
		handler      Handler
	}{
		{http.MethodGet, "read", t.Get},
		{http.MethodHead, "read", t.Head},
		{http.MethodPut, "write", t.Put},
		{http.MethodPatch, "write", t.Patch},
		{http.MethodDelete, "delete", t.Delete},
	}
	for _, v := range verbs {
		if v.handler == nil {
			continue
		}
		r := &route{method: v.method, typ: t, handler: v.handler, action: t.Name + "/" + v.verb, reads: v.verb == "read"}
		if err := rt.add(r, t.Path); err != nil {
			return err
		}
	}
	for _, l := range t.Lists {
		if err := rt.add(listRoute(t, l), l.Path); err != nil {
			return err
		}
	}
	for _, a := range t.Actions {
		if err := rt.add(actionRoute(t, a), cmp.Or(a.Path, t.Path)+"/"+a.Name); err != nil {
			return err
		}
	}
	return nil
}

func listRoute(t *Type, l List) *route {
	tail := 1
	words := strings.Split(l.Path, "/")
	if n := len(words); n > 3 && words[n-3] == "providers" {
		tail = 3
	}
	return &route{method: cmp.Or(l.Method, http.MethodGet), typ: t, handler: l.Handler,
		action: cmp.Or(l.Action, t.Name+"/read"), tail: tail, reads: l.Action == "", list: true, open: l.Open}
}

func actionRoute(t *Type, a Action) *route {
	method, verb := cmp.Or(a.Method, http.MethodPost), "/action"
	if method == http.MethodGet {
		verb = "/read"
	}
	return &route{method: method, typ: t, handler: a.Handler, tail: 1 + strings.Count(a.Name, "/"),
		action: cmp.Or(a.Action, t.Name+"/"+a.Name+verb)}
}

// match is a route that fits an address.
type match struct {
	*route
	params    map[string]string
	canonical []string
}

// id is the resource or scope the address is about.
func (m match) id() (resourceid.ID, error) {
	return resourceid.Parse("/" + strings.Join(m.canonical[:len(m.canonical)-m.tail], "/"))
}

// find returns the route for the method; without one, the methods that the
// address has.
func (rt *router) find(method string, path []string) (found match, allow []string) {
	for _, r := range rt.routes {
		params, canonical, ok := r.template.match(path)
		if !ok {
			continue
		}
		if r.method == method {
			return match{r, params, canonical}, nil
		}
		if !slices.Contains(allow, r.method) {
			allow = append(allow, r.method)
		}
	}
	return match{}, allow
}

// missing is the answer for an address without a route.
func (rt *router) missing(method string, path, allow []string) *Error {
	if len(allow) > 0 {
		return &Error{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed",
			Message: fmt.Sprintf("The HTTP method '%s' is not supported at '/%s'.", method, strings.Join(path, "/")),
			Header:  http.Header{"Allow": {strings.Join(allow, ", ")}}}
	}
	e := &Error{Status: http.StatusNotFound, Code: "NotFound",
		Message: fmt.Sprintf("There is nothing at '/%s'.", strings.Join(path, "/"))}
	id, err := resourceid.Parse("/" + strings.Join(path, "/"))
	namespace, kind, typed := strings.Cut(id.Type(), "/")
	if err != nil || !typed {
		return e
	}
	if !rt.knows(namespace) {
		e.Code, e.Message = "InvalidResourceNamespace", fmt.Sprintf("The resource namespace '%s' is invalid.", namespace)
		return e
	}
	e.Code = "InvalidResourceType"
	e.Message = fmt.Sprintf("The resource type '%s' could not be found in the namespace '%s'.", kind, namespace)
	return e
}

func (rt *router) knows(namespace string) bool {
	return slices.ContainsFunc(rt.routes, func(r *route) bool {
		return r.typ != nil && strings.EqualFold(strings.SplitN(r.typ.Name, "/", 2)[0], namespace)
	})
}
