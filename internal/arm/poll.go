package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/operations"
	"holdfast.dev/holdfast/internal/resourceid"
)

// Poll says where the caller of a long-running operation looks for its status
// and its result. Templates hold the parameters of the path of the type that
// Record.Resource belongs to, {location} and {operation}, for example
// "/subscriptions/{subscription}/providers/Microsoft.Web/locations/{location}/operationStatus/{operation}".
// Every Poll that handlers use must stand in Config.Polls, which makes the
// addresses answer.
type Poll struct {
	// Status goes out as Azure-AsyncOperation; "" sends none.
	Status string
	// Result goes out as Location; "" sends none.
	Result string
}

// pollRoute marks a route as the status or the result address of operations.
type pollRoute struct {
	poll   Poll
	result bool
}

// addPoll makes the routes of a poll. Several polls may share an address.
func (rt *router) addPoll(p Poll) error {
	for i, path := range []string{p.Status, p.Result} {
		if path == "" {
			continue
		}
		t, err := parseTemplate(path)
		if err != nil {
			return err
		}
		if err := rt.checkParams(t); err != nil {
			return err
		}
		r := &route{method: http.MethodGet, poll: &pollRoute{p, i == 1}}
		if rt.taken[r.method+" "+t.String()] {
			continue
		}
		if err := rt.add(r, path); err != nil {
			return err
		}
	}
	return nil
}

// checkParams refuses a poll whose address no operation could fill in.
func (rt *router) checkParams(t template) error {
	known := map[string]bool{"operation": true, "location": true}
	for _, r := range rt.routes {
		for _, name := range r.template.params() {
			known[name] = true
		}
	}
	names := t.params()
	for _, name := range names {
		if !known[name] {
			return fmt.Errorf("poll %s: no type has a parameter %q", t, name)
		}
	}
	if len(names) == 0 || names[len(names)-1] != "operation" || t.scope {
		return fmt.Errorf("poll %s: must be absolute and end with {operation}", t)
	}
	return nil
}

// pollURLs fills the two addresses in; "" for one that the poll does not have.
func (s *Server) pollURLs(base, version string, p Poll, op operations.Record) (status, result string, err error) {
	params := s.paramsOf(op.Resource)
	params["operation"] = op.ID
	if op.Location != "" {
		params["location"] = op.Location
	}
	fill := func(path string) string {
		if path == "" || err != nil {
			return ""
		}
		var t template
		if t, err = parseTemplate(path); err != nil {
			return ""
		}
		var text string
		text, err = t.expand(params)
		return base + text + "?api-version=" + version
	}
	status, result = fill(p.Status), fill(p.Result)
	return status, result, err
}

// paramsOf finds the type that a resource belongs to and reads the values of
// its path's parameters.
func (s *Server) paramsOf(resource string) map[string]string {
	path := strings.Split(strings.TrimPrefix(resource, "/"), "/")
	for i := range s.config.Types {
		t, err := parseTemplate(s.config.Types[i].Path)
		if err != nil {
			continue // a type without a path of its own
		}
		if params, _, ok := t.match(path); ok && !t.scope {
			return params
		}
	}
	return map[string]string{}
}

// servePoll answers a status or result address. Who started the operation may
// look, and who may read the resource it acts on.
func (s *Server) servePoll(ctx context.Context, r *Request, m match) (*Response, error) {
	var op operations.Record
	err := s.config.Store.View(ctx, func(tx catalog.Tx) (err error) {
		op, err = operations.Get(tx, r.Params["operation"])
		return err
	})
	if errors.Is(err, catalog.ErrNotFound) || (err == nil && !belongs(op, m)) {
		return nil, &Error{Status: http.StatusNotFound, Code: "NotFound",
			Message: fmt.Sprintf("The operation '%s' was not found.", r.Params["operation"])}
	} else if err != nil {
		return nil, err
	}
	id, err := resourceid.Parse(op.Resource)
	if err != nil {
		return nil, fmt.Errorf("resource of operation %s: %w", op.ID, err)
	}
	if op.Starter == "" || op.Starter != r.Principal.ObjectID {
		if err := r.Require(id.Type()+"/read", id); err != nil {
			return nil, err
		}
	}
	r.ID = id
	if !m.poll.result {
		return OK(statusOf(op, "/"+strings.Join(m.canonical, "/"), r.CorrelationID)), nil
	}
	return s.result(ctx, r, op, m.poll.poll)
}

// belongs tells whether the address is one of the operation's own: it lies in
// the scope that the address names, and in its location.
func belongs(op operations.Record, m match) bool {
	if location, named := m.params["location"]; named && !strings.EqualFold(location, op.Location) {
		return false
	}
	resource, err := resourceid.Parse(op.Resource)
	if err != nil {
		return false
	}
	// Take the segments off until a scope is left; "locations" is none.
	for n := len(m.canonical) - 2; n >= 0; n-- {
		scope, err := resourceid.Parse("/" + strings.Join(m.canonical[:n], "/"))
		if err == nil && !strings.HasSuffix(strings.ToLower(scope.Type()), "/locations") {
			return scope.Contains(resource)
		}
	}
	return false
}

// result answers the result address.
func (s *Server) result(ctx context.Context, r *Request, op operations.Record, p Poll) (*Response, error) {
	switch op.Status {
	case operations.InProgress:
		return Accepted(op, p), nil
	case operations.Succeeded:
	default:
		return nil, FromProblem(problemOf(op))
	}
	if op.ResultIsResource {
		return s.current(ctx, r)
	}
	if len(op.Result) == 0 {
		return NoContent(), nil
	}
	return OK(op.Result), nil
}

// current answers with the resource as it is now, or 204 when it is gone.
func (s *Server) current(ctx context.Context, r *Request) (*Response, error) {
	m, _ := s.routes.find(http.MethodGet, strings.Split(strings.TrimPrefix(r.ID.String(), "/"), "/"))
	if m.route == nil || m.handler == nil {
		return NoContent(), nil
	}
	get := *r
	get.Params = m.params
	if err := get.authorise(m.route); err != nil {
		return nil, err
	}
	resp, err := m.handler(ctx, &get)
	if e := s.asError(&get, err); e != nil && e.Status == http.StatusNotFound {
		return NoContent(), nil
	}
	return resp, err
}

// statusDocument is the body of a status address.
type statusDocument struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Status     string          `json:"status"`
	StartTime  string          `json:"startTime"`
	EndTime    string          `json:"endTime"`
	Error      *errorBody      `json:"error,omitempty"`
	Properties json.RawMessage `json:"properties,omitempty"`
}

func statusOf(op operations.Record, path, correlation string) statusDocument {
	doc := statusDocument{ID: path, Name: op.ID, Status: string(op.Status),
		StartTime: FormatTime(op.Started), EndTime: FormatTime(op.Ended), Properties: op.Properties}
	if op.Status == operations.Failed || op.Status == operations.Canceled {
		body := FromProblem(problemOf(op)).document(correlation)
		doc.Error = &body
	}
	return doc
}

// problemOf makes sure that an operation that did not succeed says something.
func problemOf(op operations.Record) operations.Problem {
	if op.Problem != nil {
		return *op.Problem
	}
	return operations.Problem{Code: "Operation" + string(op.Status), Message: fmt.Sprintf("The operation ended as %s.", op.Status)}
}
