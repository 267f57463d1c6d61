package arm_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/operations"
	"holdfast.dev/holdfast/internal/resourceid"
)

// A product-less resource type, as simple as a provider can be: boxes in
// groups, with lids, stored in a real catalog.
const (
	groupPath = "/subscriptions/{subscription}/resourceGroups/{resourceGroup}"
	boxPath   = groupPath + "/providers/Contoso.Widgets/boxes/{box}"
	tagPath   = "{scope}/providers/Contoso.Widgets/marks/{mark}"
	version   = "?api-version=2025-07-01"
	boxesAt   = "/subscriptions/s1/resourceGroups/rg1/providers/Contoso.Widgets/boxes"
)

var (
	boxPoll = arm.Poll{
		Status: boxPath + "/operationStatus/{operation}",
		Result: boxPath + "/operationResults/{operation}",
	}
	placePoll = arm.Poll{
		Status: "/subscriptions/{subscription}/providers/Contoso.Widgets/locations/{location}/operationStatus/{operation}",
		Result: "/subscriptions/{subscription}/providers/Contoso.Widgets/locations/{location}/operationResults/{operation}",
	}
	groupPoll = arm.Poll{Status: groupPath + "/providers/Contoso.Widgets/operationStatus/{operation}"}
)

type box struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Properties map[string]any `json:"properties"`
}

type widgets struct {
	store catalog.Store
	clock *clock.Manual
}

func (w *widgets) types() []arm.Type {
	return []arm.Type{
		{
			Name: "Contoso.Widgets/boxes", Path: boxPath, MinVersion: "2022-12-01",
			Get: w.get, Head: w.get, Put: w.put, Delete: w.delete,
			Lists: []arm.List{
				{Path: groupPath + "/providers/Contoso.Widgets/boxes", Handler: w.list},
				{Path: "/subscriptions/{subscription}/providers/Contoso.Widgets/boxes", Handler: w.list},
				{Path: "{scope}/providers/Contoso.Widgets/attached", Handler: w.list},
			},
			Actions: []arm.Action{
				{Name: "shake", Handler: w.shake},
				{Name: "panic", Handler: func(context.Context, *arm.Request) (*arm.Response, error) { panic("secret-word") }},
				{Name: "break", Handler: func(context.Context, *arm.Request) (*arm.Response, error) {
					return nil, errors.New("secret-word")
				}},
				{Name: "slow", Handler: func(ctx context.Context, _ *arm.Request) (*arm.Response, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}},
				{Name: "nothing", Handler: func(context.Context, *arm.Request) (*arm.Response, error) { return nil, nil }},
				{Name: "move", Handler: w.move},
				{Name: "table", Method: http.MethodGet, Handler: table},
				{Name: "weigh/{unit}", Method: http.MethodGet, Action: "Contoso.Widgets/boxes/weigh/read", Handler: w.weigh},
			},
		},
		{
			Name: "Contoso.Widgets/boxes/lids", Path: boxPath + "/lids/{lid}",
			Get: func(_ context.Context, r *arm.Request) (*arm.Response, error) { return nil, arm.NotFound(r.ID) },
			Put: w.put,
			Lists: []arm.List{{Path: boxPath + "/lids", Handler: func(_ context.Context, r *arm.Request) (*arm.Response, error) {
				return arm.PageOf(r, nil, func(b box) string { return b.ID })
			}}},
		},
		{Name: "Contoso.Widgets/marks", Path: tagPath, Get: func(_ context.Context, r *arm.Request) (*arm.Response, error) {
			return arm.OK(map[string]any{"id": r.ID, "scope": r.Params["scope"]}), nil
		}},
		{Name: "Contoso.Widgets/leaks", Lists: []arm.List{{Path: "/subscriptions/{subscription}/providers/Contoso.Widgets/leaks",
			Handler: func(context.Context, *arm.Request) (*arm.Response, error) { return arm.OK("everything"), nil }}}},
	}
}

func (w *widgets) get(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var doc catalog.Document
	err := w.store.View(ctx, func(tx catalog.Tx) (err error) {
		doc, err = tx.Get("box", r.ID.Key())
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.OK(doc.Body).WithETag(doc.ETag), nil
}

func (w *widgets) put(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	b := box{ID: r.ID.String(), Name: r.ID.Name(), Type: "Contoso.Widgets/boxes"}
	if err := r.Decode(&struct {
		Properties *map[string]any `json:"properties"`
	}{&b.Properties}); err != nil {
		return nil, err
	}
	if b.Properties["size"] == nil {
		return nil, arm.Invalid("properties.size", "A box needs a size.")
	}
	var doc catalog.Document
	var op operations.Record
	err := w.store.Update(ctx, func(tx catalog.Tx) error {
		old, err := tx.Get("box", r.ID.Key())
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		if err := r.Match(old.ETag); err != nil {
			return err
		}
		body, _ := json.Marshal(b)
		if doc, err = tx.Put(catalog.Document{Kind: "box", ID: r.ID.Key(), Body: body}, ""); err != nil {
			return err
		}
		op, err = operations.Start(tx, w.clock.Now(), operations.Record{Action: "write", Resource: r.ID.String(),
			Location: "west", Starter: r.Principal.ObjectID, ResultIsResource: true})
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Created(b).WithETag(doc.ETag).WithOperation(op, boxPoll), nil
}

func (w *widgets) delete(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var op operations.Record
	err := w.store.Update(ctx, func(tx catalog.Tx) error {
		if err := tx.Delete("box", r.ID.Key(), r.IfMatch); err != nil {
			return err
		}
		var err error
		op, err = operations.StartDone(tx, w.clock.Now(), operations.Record{Resource: r.ID.String(), Starter: r.Principal.ObjectID,
			Location: "west", ResultIsResource: true})
		return err
	})
	if errors.Is(err, catalog.ErrNotFound) {
		return arm.NoContent(), nil
	} else if err != nil {
		return nil, err
	}
	return arm.Accepted(op, placePoll), nil
}

func (w *widgets) list(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var boxes []box
	var next string
	err := w.store.View(ctx, func(tx catalog.Tx) error {
		docs, err := tx.List(catalog.Query{Kind: "box", Prefix: r.ID.Key(), After: r.After(), Limit: r.Limit()})
		for _, d := range docs {
			var b box
			if err := json.Unmarshal(d.Body, &b); err != nil {
				return err
			}
			boxes = append(boxes, b)
		}
		if len(docs) == r.Limit() {
			next = docs[len(docs)-1].ID
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Page(r, boxes, func(b box) string { return b.ID }, next)
}

// shake is a long-running action whose result is a document.
func (w *widgets) shake(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var op operations.Record
	err := w.store.Update(ctx, func(tx catalog.Tx) (err error) {
		op, err = operations.Start(tx, w.clock.Now(), operations.Record{Action: "shake", Resource: r.ID.String(),
			Location: "west", Starter: r.Principal.ObjectID, Properties: operations.JobInfo(r.ID.String() + "/jobs/1")})
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Accepted(op, placePoll), nil
}

func (w *widgets) move(_ context.Context, r *arm.Request) (*arm.Response, error) {
	var body struct{ Target string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	target, err := resourceid.Parse(body.Target)
	if err != nil {
		return nil, arm.Invalid("target", "The target is no resource id.")
	}
	if err := r.RequireLinked("Contoso.Widgets/boxes/write", target); err != nil {
		return nil, err
	}
	return arm.NoContent(), nil
}

func (w *widgets) weigh(_ context.Context, r *arm.Request) (*arm.Response, error) {
	return arm.OK(map[string]string{"unit": r.Params["unit"], "box": r.ID.String()}), nil
}

// table sends a body that is no JSON, and breaks off when asked to.
func table(_ context.Context, r *arm.Request) (*arm.Response, error) {
	return &arm.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/csv"}}, Stream: func(to io.Writer) error {
		if _, err := io.WriteString(to, "a,b\n"); err != nil || !r.Query.Has("broken") {
			return err
		}
		return errors.New("the store is away")
	}}, nil
}

// callers is an Authenticator for tests: the bearer token is the caller's name.
type callers struct{}

type refused struct{ code string }

func (r refused) Error() string             { return "no: " + r.code }
func (r refused) Refusal() (string, string) { return r.code, `Bearer realm="test"` }

func (callers) Authenticate(r *http.Request) (access.Principal, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok:
		return access.Principal{}, refused{"AuthenticationFailed"}
	case name == "strange":
		return access.Principal{}, errors.New("secret-word")
	}
	return access.Principal{ObjectID: name, Name: name, Kind: access.User}, nil
}

type assigned []access.Assignment

func (a assigned) Assignments(context.Context, access.Principal) ([]access.Assignment, error) {
	return a, nil
}

// groups knows rg1 and rg2 of subscription s1, and nothing else.
type groups struct{}

func (groups) CheckScope(_ context.Context, scope resourceid.ID) error {
	if scope.SubscriptionID().Key() != "/subscriptions/s1" {
		return arm.NotFound(scope.SubscriptionID())
	}
	if g := strings.ToLower(scope.ResourceGroup()); g != "" && g != "rg1" && g != "rg2" {
		return arm.NotFound(scope)
	}
	return nil
}

func assign(principal, role, scope string) access.Assignment {
	r, ok := access.RoleByName(role)
	if !ok {
		panic(role)
	}
	return access.Assignment{PrincipalID: principal, RoleID: r.ID, Scope: resourceid.MustParse(scope)}
}

type world struct {
	*httptest.Server
	widgets
	t *testing.T
}

func newWorld(t *testing.T, change ...func(*arm.Config)) *world {
	t.Helper()
	w := &world{t: t, widgets: widgets{catalogtest.NewMemory(), clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC))}}
	config := arm.Config{
		Types: w.types(), Polls: []arm.Poll{boxPoll, placePoll, groupPoll}, Authenticator: callers{}, Scopes: groups{},
		Assignments: assigned{
			assign("owner", "Owner", "/"),
			assign("reader", "Reader", "/subscriptions/s1"),
			assign("one", "Reader", boxesAt+"/b1"),
			assign("group2", "Contributor", "/subscriptions/s1/resourceGroups/rg2"),
		},
		Store: w.store, Clock: w.clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		RetryAfter: time.Second, Timeout: time.Minute,
	}
	for _, fn := range change {
		fn(&config)
	}
	server, err := arm.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w.Server = httptest.NewTLSServer(server)
	t.Cleanup(w.Close)
	return w
}

type answer struct {
	*http.Response
	body string
}

// code is the error's code, "" when the answer is none.
func (a answer) code(t *testing.T) string {
	t.Helper()
	var doc struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatalf("%d with body %q: %v", a.StatusCode, a.body, err)
	}
	return doc.Error.Code
}

// do sends a request as the named caller; "" sends no token. Headers are pairs.
func (w *world) do(as, method, path, body string, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequest(method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if as != "" {
		req.Header.Set("Authorization", "Bearer "+as)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{resp, string(raw)}
}

func (w *world) putBox(name string) answer {
	w.t.Helper()
	a := w.do("owner", http.MethodPut, boxesAt+"/"+name+version, `{"properties":{"size":1}}`)
	if a.StatusCode != http.StatusCreated {
		w.t.Fatalf("put %s: %d %s", name, a.StatusCode, a.body)
	}
	return a
}

func nothing(context.Context, *arm.Request) (*arm.Response, error) { return arm.NoContent(), nil }
