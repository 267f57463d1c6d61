package arm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/arm"
)

func TestRefusals(t *testing.T) {
	w, hasty := newWorld(t), newWorld(t, func(c *arm.Config) { c.Timeout = 50 * time.Millisecond })
	w.putBox("b1")
	good := `{"properties":{"size":1}}`
	cases := []struct {
		name, as, method, path, body string
		status                       int
		code, says                   string
	}{
		{"no token", "", "GET", boxesAt + "/b1" + version, "", 401, "AuthenticationFailed", "no: "},
		{"no token, unknown address", "", "GET", "/anything", "", 401, "AuthenticationFailed", ""},
		{"authenticator fails", "strange", "GET", boxesAt + "/b1" + version, "", 401, "InvalidAuthenticationToken", ""},
		{"no version", "owner", "GET", boxesAt + "/b1", "", 400, "MissingApiVersionParameter", "api-version"},
		{"empty version", "owner", "GET", boxesAt + "/b1?api-version=", "", 400, "MissingApiVersionParameter", ""},
		{"version not a date", "owner", "GET", boxesAt + "/b1?api-version=latest", "", 400, "InvalidApiVersionParameter", "latest"},
		{"version no real date", "owner", "GET", boxesAt + "/b1?api-version=2025-13-45", "", 400, "InvalidApiVersionParameter", ""},
		{"version too old", "owner", "GET", boxesAt + "/b1?api-version=2019-01-01", "", 400, "NoRegisteredProviderFound", "2022-12-01"},
		{"absent", "owner", "GET", boxesAt + "/b9" + version, "", 404, "ResourceNotFound", "The Resource 'Contoso.Widgets/boxes/b9' under resource group 'rg1' was not found."},
		{"absent group", "owner", "PUT", strings.Replace(boxesAt, "rg1", "rg9", 1) + "/b1" + version, good, 404, "ResourceGroupNotFound", "'rg9'"},
		{"absent subscription", "owner", "GET", strings.Replace(boxesAt, "s1", "s9", 1) + version, "", 404, "SubscriptionNotFound", "'s9'"},
		{"unknown type", "owner", "GET", "/subscriptions/s1/resourceGroups/rg1/providers/Contoso.Widgets/bags/x" + version, "", 404, "InvalidResourceType", "bags"},
		{"unknown namespace", "owner", "GET", "/subscriptions/s1/providers/Fabrikam.Things/bags/x" + version, "", 404, "InvalidResourceNamespace", "Fabrikam.Things"},
		{"nothing there", "owner", "GET", "/favicon.ico", "", 404, "NotFound", ""},
		{"method", "owner", "PATCH", boxesAt + "/b1" + version, good, 405, "MethodNotAllowed", "PATCH"},
		{"bad path", "owner", "GET", boxesAt + "/a%2Fb" + version, "", 400, "InvalidRequestUri", ""},
		{"dotted path", "owner", "GET", boxesAt + "/%2e%2e" + version, "", 400, "InvalidRequestUri", ""},
		{"empty body", "owner", "PUT", boxesAt + "/b1" + version, "", 400, "InvalidRequestContent", "no body"},
		{"null body", "owner", "PUT", boxesAt + "/b1" + version, "null", 400, "InvalidRequestContent", "no body"},
		{"broken body", "owner", "PUT", boxesAt + "/b1" + version, `{"properties":`, 400, "InvalidRequestContent", ""},
		{"array body", "owner", "PUT", boxesAt + "/b1" + version, `[1]`, 400, "InvalidRequestContent", "object"},
		{"two bodies", "owner", "PUT", boxesAt + "/b1" + version, good + good, 400, "InvalidRequestContent", ""},
		{"wrong property type", "owner", "PUT", boxesAt + "/b1" + version, `{"properties":"x"}`, 400, "InvalidRequestContent", "properties"},
		{"rule of the type", "owner", "PUT", boxesAt + "/b1" + version, `{"properties":{}}`, 400, "BMSUserErrorInvalidInput", "needs a size"},
		{"too large", "owner", "PUT", boxesAt + "/b1" + version, `{"x":"` + strings.Repeat("x", arm.MaxBody) + `"}`, 413, "RequestEntityTooLarge", ""},
		{"may not write", "reader", "PUT", boxesAt + "/b1" + version, good, 403, "AuthorizationFailed", "'Contoso.Widgets/boxes/write' over scope '/subscriptions/s1/resourceGroups/rg1/providers/Contoso.Widgets/boxes/b1'"},
		{"denied with reason", "reader", "DELETE", boxesAt + "/b1" + version, "", 403, "AuthorizationFailed", `["Reader"] includes Contoso.Widgets/boxes/delete`},
		{"no role here", "group2", "GET", boxesAt + "/b1" + version, "", 403, "AuthorizationFailed", "no role is assigned"},
		{"denied before absent group", "group2", "GET", strings.Replace(boxesAt, "rg1", "rg9", 1) + version, "", 403, "AuthorizationFailed", ""},
		{"may not act", "reader", "POST", boxesAt + "/b1/shake" + version, "", 403, "AuthorizationFailed", "boxes/shake/action"},
		{"linked scope", "group2", "POST", strings.Replace(boxesAt, "rg1", "rg2", 1) + "/b1/move" + version, `{"target":"` + boxesAt + `/b2"}`, 403, "LinkedAuthorizationFailed", "boxes/b2"},
		{"list of a resource", "one", "GET", boxesAt + "/b2/lids" + version, "", 403, "AuthorizationFailed", ""},
		{"list without any role", "nobody", "GET", boxesAt + version, "", 403, "AuthorizationFailed", "no role is assigned"},
		{"list that does not page", "one", "GET", "/subscriptions/s1/providers/Contoso.Widgets/leaks" + version, "", 500, "InternalServerError", ""},
		{"panic", "owner", "POST", boxesAt + "/b1/panic" + version, "", 500, "InternalServerError", "correlation id"},
		{"unexpected error", "owner", "POST", boxesAt + "/b1/break" + version, "", 500, "InternalServerError", "correlation id"},
		{"no answer", "owner", "POST", boxesAt + "/b1/nothing" + version, "", 500, "InternalServerError", ""},
		{"out of time", "owner", "POST", boxesAt + "/b1/slow" + version, "", 504, "GatewayTimeout", ""},
		{"skip token", "owner", "GET", boxesAt + version + "&$skipToken=!!", "", 400, "InvalidQueryParameter", "$skipToken"},
		{"top", "owner", "GET", boxesAt + version + "&$top=0", "", 400, "InvalidQueryParameter", "$top"},
		{"unknown operation", "owner", "GET", boxesAt + "/b1/operationStatus/abc" + version, "", 404, "NotFound", "abc"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := w
			if c.status == http.StatusGatewayTimeout {
				server = hasty
			}
			a := server.do(c.as, c.method, c.path, c.body)
			if a.StatusCode != c.status || a.code(t) != c.code || !strings.Contains(decoded(a.body), c.says) {
				t.Fatalf("got %d %s\nwant %d %s %q", a.StatusCode, a.body, c.status, c.code, c.says)
			}
			if strings.Contains(a.body, "secret-word") {
				t.Error("the answer shows an inner error")
			}
			if got := a.Header.Get("x-ms-error-code"); got != c.code {
				t.Errorf("x-ms-error-code %q", got)
			}
			if c.status == 401 && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Error("401 without a challenge")
			}
			if c.status == 405 && a.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

// decoded is the message of an error document.
func decoded(body string) string {
	var doc struct{ Error struct{ Message string } }
	_ = json.Unmarshal([]byte(body), &doc)
	return doc.Error.Message
}

func TestErrorDocument(t *testing.T) {
	w := newWorld(t)
	a := w.do("owner", "PUT", boxesAt+"/b1"+version, `{"properties":{}}`,
		"x-ms-correlation-request-id", "6b5bd4b5-7d5c-4f6a-9f3a-111111111111")
	want := `{"error":{"code":"BMSUserErrorInvalidInput","message":"A box needs a size.","target":"properties.size","details":null,` +
		`"additionalInfo":[{"type":"UserFacingError","info":{"code":"BMSUserErrorInvalidInput","message":"A box needs a size.",` +
		`"target":"properties.size","isRetryable":false,"isUserError":true,"recommendedAction":["Check the required inputs and try again."],` +
		`"details":null,"innerError":null,"properties":{"ActivityId":"6b5bd4b5-7d5c-4f6a-9f3a-111111111111"}}}]}}` + "\n"
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
}

// The real service answers 406 without a body here; we send the document.
func TestAcceptHeaderIsNeverRefused(t *testing.T) {
	w := newWorld(t)
	a := w.do("owner", "PUT", boxesAt+"/b1"+version, `{}`, "Accept", "application/json; charset=utf-8; IEEE754Compatible=false")
	if a.StatusCode != 400 || a.code(t) != arm.CodeInvalidInput {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestMediaTypes(t *testing.T) {
	w := newWorld(t)
	for media, want := range map[string]int{"application/json": 201, "application/json; charset=utf-8": 201, "application/merge-patch+json": 201, "text/plain": 415, "%": 415} {
		a := w.do("owner", "PUT", boxesAt+"/b1"+version, `{"properties":{"size":1}}`, "Content-Type", media)
		if a.StatusCode != want {
			t.Errorf("%s: %d %s", media, a.StatusCode, a.body)
		}
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	w.putBox("b1")
	a := w.do("owner", "GET", boxesAt+"/b1"+version, "", "x-ms-client-request-id", "mine", "x-ms-correlation-request-id", "not a guid")
	guid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	for name, want := range map[string]string{
		"Content-Type":              "application/json; charset=utf-8",
		"Cache-Control":             "no-cache",
		"X-Content-Type-Options":    "nosniff",
		"X-Ms-Client-Request-Id":    "mine",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{"x-ms-request-id", "x-ms-correlation-request-id"} {
		if !guid.MatchString(a.Header.Get(name)) {
			t.Errorf("%s: %q", name, a.Header.Get(name))
		}
	}
	if a := w.do("owner", "HEAD", boxesAt+"/b1"+version, ""); a.StatusCode != 200 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.StatusCode, a.body)
	}
}

func TestPathsIgnoreCaseAndEchoCanonically(t *testing.T) {
	w := newWorld(t)
	w.putBox("B1")
	for _, path := range []string{
		"/SUBSCRIPTIONS/s1/resourcegroups/rg1/PROVIDERS/contoso.widgets/Boxes/b1",
		"//subscriptions/s1/resourceGroups/RG1/providers/Contoso.Widgets/boxes/b1/",
	} {
		a := w.do("reader", "GET", path+"?Api-Version=2025-07-01", "")
		var b box
		if err := json.Unmarshal([]byte(a.body), &b); err != nil || b.ID != boxesAt+"/B1" {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	a := w.do("owner", "PUT", strings.ToLower(boxesAt)+"/b2"+version, `{"properties":{"size":1}}`)
	if !strings.Contains(a.body, boxesAt+"/b2") {
		t.Errorf("not canonical: %s", a.body)
	}
}

func TestExtensionOfAnyScope(t *testing.T) {
	w := newWorld(t)
	for _, scope := range []string{"", "/subscriptions/s1", "/subscriptions/s1/resourceGroups/rg1", boxesAt + "/b1"} {
		a := w.do("owner", "GET", scope+"/providers/contoso.widgets/MARKS/m1"+version, "")
		want := scope
		if want == "" {
			want = "/"
		}
		var got struct{ ID, Scope string }
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Scope != want || got.ID != scope+"/providers/Contoso.Widgets/marks/m1" {
			t.Errorf("%q: %d %s", scope, a.StatusCode, a.body)
		}
	}
	if a := w.do("owner", "GET", "/nonsense/providers/Contoso.Widgets/marks/m1"+version, ""); a.StatusCode != 404 {
		t.Errorf("scope that does not parse: %d %s", a.StatusCode, a.body)
	}
	if a := w.do("owner", "GET", boxesAt+"/b1/providers/Contoso.Widgets/attached"+version, ""); a.StatusCode != 200 {
		t.Errorf("list of any scope: %d %s", a.StatusCode, a.body)
	}
}

func TestActionWithParameter(t *testing.T) {
	w := newWorld(t)
	a := w.do("reader", "GET", boxesAt+"/b1/weigh/grams"+version, "")
	if a.StatusCode != 200 || !strings.Contains(a.body, `"box":"`+boxesAt+`/b1"`) || !strings.Contains(a.body, `"unit":"grams"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestETags(t *testing.T) {
	w := newWorld(t)
	etag := w.putBox("b1").Header.Get("ETag")
	put := func(headers ...string) int {
		return w.do("owner", "PUT", boxesAt+"/b1"+version, `{"properties":{"size":2}}`, headers...).StatusCode
	}
	steps := []struct {
		name string
		got  int
		want int
	}{
		{"wrong", put("If-Match", `"nonsense"`), 412},
		{"exists already", put("If-None-Match", "*"), 412},
		{"any", put("If-Match", "*"), 201},
		{"stale", put("If-Match", etag), 412},
		{"delete stale", w.do("owner", "DELETE", boxesAt+"/b1"+version, "", "If-Match", etag).StatusCode, 412},
		{"fresh", put("If-Match", "W/"+w.do("owner", "GET", boxesAt+"/b1"+version, "").Header.Get("ETag")), 201},
		{"absent", w.do("owner", "PUT", boxesAt+"/b2"+version, `{"properties":{"size":2}}`, "If-Match", "*").StatusCode, 412},
		{"new", w.do("owner", "PUT", boxesAt+"/b2"+version, `{"properties":{"size":2}}`, "If-None-Match", "*").StatusCode, 201},
	}
	for _, s := range steps {
		if s.got != s.want {
			t.Errorf("%s: %d, want %d", s.name, s.got, s.want)
		}
	}
}

func TestPaging(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.putBox(fmt.Sprintf("b%d", i))
	}
	var names []string
	pages := 0
	for path := boxesAt + version + "&$top=3"; path != ""; pages++ {
		a := w.do("reader", "GET", path, "")
		var page struct {
			Value    []box
			NextLink *string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
		}
		for _, b := range page.Value {
			names = append(names, b.Name)
		}
		path = ""
		if page.NextLink != nil {
			path = strings.TrimPrefix(*page.NextLink, w.URL)
		}
	}
	if got := strings.Join(names, " "); got != "b0 b1 b2 b3 b4 b5 b6" || pages != 3 {
		t.Errorf("%d pages: %s", pages, got)
	}
	if a := w.do("owner", "GET", boxesAt+"/b1/lids"+version, ""); a.body != "{\"value\":[]}\n" {
		t.Errorf("empty list: %s", a.body)
	}
}

func TestListsShowWhatMayBeRead(t *testing.T) {
	w := newWorld(t)
	w.putBox("b1")
	w.putBox("b2")
	for as, want := range map[string]int{"owner": 2, "reader": 2, "one": 1, "group2": 0} {
		a := w.do(as, "GET", "/subscriptions/s1/providers/Contoso.Widgets/boxes"+version, "")
		if got := strings.Count(a.body, `"name":`); a.StatusCode != 200 || got != want {
			t.Errorf("%s sees %d: %s", as, got, a.body)
		}
	}
}

func TestDeclarationsAreChecked(t *testing.T) {
	h := nothing
	for name, c := range map[string]arm.Config{
		"relative path":   {Types: []arm.Type{{Name: "A.B/c", Path: "subscriptions/{s}", Get: h}}},
		"broken brace":    {Types: []arm.Type{{Name: "A.B/c", Path: "/a/{s", Get: h}}},
		"empty segment":   {Types: []arm.Type{{Name: "A.B/c", Path: "/a//b", Get: h}}},
		"twice":           {Types: []arm.Type{{Name: "A.B/c", Path: "/a/{s}", Get: h}, {Name: "A.B/d", Path: "/A/{t}", Get: h}}},
		"list twice":      {Types: []arm.Type{{Name: "A.B/c", Lists: []arm.List{{Path: "/a", Handler: h}, {Path: "/A", Handler: h}}}}},
		"poll parameter":  {Polls: []arm.Poll{{Status: "/x/{unknown}/{operation}"}}},
		"poll operation":  {Polls: []arm.Poll{{Status: "/x/{location}"}}},
		"poll of a scope": {Polls: []arm.Poll{{Result: "{scope}/x/{operation}"}}},
		"poll path":       {Polls: []arm.Poll{{Result: "x"}}},
		"action path":     {Types: []arm.Type{{Name: "A.B/c", Actions: []arm.Action{{Name: "x", Handler: h}}}, {Name: "A.B/d", Actions: []arm.Action{{Name: "x", Handler: h}}}}},
	} {
		if _, err := arm.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFormatTime(t *testing.T) {
	if got := arm.FormatTime(time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))); got != "2026-01-02T02:04:05.0000006Z" {
		t.Error(got)
	}
	if got := arm.FormatTime(time.Time{}); got != "0001-01-01T00:00:00Z" {
		t.Error(got)
	}
}

// What does not exist is answered with what to do about it.
func TestAbsentHasARemedy(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{boxesAt + "/b9", strings.Replace(boxesAt, "rg1", "rg9", 1) + "/b1", strings.Replace(boxesAt, "s1", "s9", 1) + "/b1"} {
		if a := w.do("owner", "GET", path+version, ""); a.StatusCode != 404 || !strings.Contains(a.body, `"recommendedAction":["Check the name`) {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
}
