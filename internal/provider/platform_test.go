package provider_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/provider"
)

// platform is the platform's types behind a real arm server and a real
// look-up of assignments; the bearer token is the caller's object id.
type platform struct {
	t      *testing.T
	server *arm.Server
	store  catalog.Store
}

// boss owns everything from the start.
const (
	boss   = "00000000-0000-0000-0000-00000000000b"
	friend = "00000000-0000-0000-0000-00000000000f"
	groupA = "/subscriptions/s1/resourceGroups/groupA"
)

type byToken struct{}

func (byToken) Authenticate(r *http.Request) (access.Principal, error) {
	id := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	return access.Principal{ObjectID: id, Name: "caller", Kind: access.User}, nil
}

func roleID(name string) string {
	role, ok := access.RoleByName(name)
	if !ok {
		panic(name)
	}
	return role.ID
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, store: catalogtest.NewMemory()}
	clk := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	types := provider.NewPlatform(p.store, clk, "tenant1", nil)
	p.update(func(tx catalog.Tx) error {
		owner := inventory.RoleAssignment{Meta: backup.Meta{ID: "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()},
			Scope: "/", RoleID: roleID("Owner"), PrincipalID: boss, PrincipalType: access.User}
		if err := inventory.RoleAssignments.Put(tx, &owner); err != nil {
			return err
		}
		return inventory.Subscriptions.Put(tx, &inventory.Subscription{Meta: backup.Meta{ID: "/subscriptions/s1"}, DisplayName: "First"})
	})
	server, err := arm.New(arm.Config{Types: types.Types(nil), Polls: types.Polls(), Scopes: types, Authenticator: byToken{},
		Assignments: inventory.Grants{Store: p.store}, Store: p.store, Clock: clk, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	p.server = server
	return p
}

func (p *platform) update(fn func(tx catalog.Tx) error) {
	p.t.Helper()
	if err := p.store.Update(context.Background(), fn); err != nil {
		p.t.Fatal(err)
	}
}

// do sends a request and returns status, header and body.
func (p *platform) do(as, method, path, body string) (int, http.Header, string) {
	p.t.Helper()
	if !strings.Contains(path, "api-version") {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "api-version=2022-04-01"
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+as)
	w := httptest.NewRecorder()
	p.server.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

// expect sends a request as the boss and checks status and a part of the body.
func (p *platform) expect(method, path, body string, status int, says string) string {
	p.t.Helper()
	return p.expectFor(boss, method, path, body, status, says)
}

func (p *platform) expectFor(as, method, path, body string, status int, says string) string {
	p.t.Helper()
	got, _, text := p.do(as, method, path, body)
	if got != status || !strings.Contains(text, says) {
		p.t.Fatalf("%s %s: %d %s\nwant %d %q", method, path, got, text, status, says)
	}
	return text
}

func (p *platform) count(as, path string) int {
	p.t.Helper()
	var list struct{ Value []json.RawMessage }
	if err := json.Unmarshal([]byte(p.expectFor(as, "GET", path, "", 200, "value")), &list); err != nil {
		p.t.Fatal(err)
	}
	return len(list.Value)
}

func TestResourceGroupLife(t *testing.T) {
	p := newPlatform(t)
	p.expect("GET", groupA, "", 404, "ResourceGroupNotFound")
	p.expect("HEAD", groupA, "", 404, "")
	p.expect("PATCH", groupA, `{"tags":{}}`, 404, "ResourceGroupNotFound")
	p.expect("PUT", groupA, `{"location":"East US","tags":{"a":"b"}}`, 201,
		`{"id":"`+groupA+`","name":"groupA","type":"Microsoft.Resources/resourceGroups","location":"eastus","tags":{"a":"b"},"properties":{"provisioningState":"Succeeded"}}`)
	p.expect("PUT", strings.ToUpper(groupA), `{"location":"eastus"}`, 200, `"id":"`+groupA+`"`)
	p.expect("PUT", groupA, `{"location":"westus"}`, 409, "InvalidResourceGroupLocation")
	p.expect("PATCH", groupA, `{"tags":{"c":"d"},"managedBy":"me"}`, 200, `"tags":{"c":"d"},"managedBy":"me"`)
	p.expect("HEAD", groupA, "", 204, "")
	p.expect("GET", strings.ToLower(groupA), "", 200, `"name":"groupA"`)
	if n := p.count(boss, "/subscriptions/s1/resourceGroups"); n != 1 {
		t.Error(n)
	}
	status, header, _ := p.do(boss, "DELETE", groupA, "")
	if status != 202 || header.Get("Location") == "" {
		t.Fatal(status, header)
	}
	location, _ := url.Parse(header.Get("Location"))
	p.expect("GET", location.RequestURI(), "", 204, "")
	p.expect("DELETE", groupA, "", 404, "ResourceGroupNotFound")
}

func TestResourceGroupRefusals(t *testing.T) {
	p := newPlatform(t)
	at := "/subscriptions/s1/resourceGroups/"
	p.expect("PUT", at+"a", `{}`, 400, "LocationRequired")
	p.expect("PUT", at+"a.", `{"location":"x"}`, 400, "InvalidResourceGroup")
	p.expect("PUT", at+"a%20b", `{"location":"x"}`, 400, "InvalidResourceGroup")
	p.expect("PUT", at+strings.Repeat("x", 91), `{"location":"x"}`, 400, "InvalidResourceGroup")
	p.expect("PUT", "/subscriptions/s2/resourceGroups/a", `{"location":"x"}`, 404, "SubscriptionNotFound")
	if n := p.count(boss, "/subscriptions/s1/resourceGroups"); n != 0 {
		t.Error("a refusal changed something:", n)
	}
}

func TestGroupThatIsNotEmptyStays(t *testing.T) {
	p := newPlatform(t)
	p.expect("PUT", groupA, `{"location":"x"}`, 201, "")
	vault := groupA + "/providers/Microsoft.DataProtection/backupVaults/v"
	p.update(func(tx catalog.Tx) error {
		if err := inventory.UserIdentities.Put(tx, &backup.UserIdentity{Meta: backup.Meta{ID: groupA + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u", Location: "x"}}); err != nil {
			return err
		}
		return inventory.Vaults.Put(tx, &backup.Vault{Meta: backup.Meta{ID: vault, Location: "x"}})
	})
	if n := p.count(boss, groupA+"/resources"); n != 2 {
		t.Error(n)
	}
	p.expect("GET", groupA+"/resources?$top=1", "", 200, "nextLink")
	p.expect("DELETE", groupA, "", 409, vault)
	p.expect("GET", groupA, "", 200, "")
}

func TestSubscriptionsTenantsProviders(t *testing.T) {
	p := newPlatform(t)
	p.expect("GET", "/tenants", "", 200, `"tenantId":"tenant1"`)
	p.expectFor(friend, "GET", "/tenants", "", 200, `"tenantId":"tenant1"`)
	p.expect("GET", "/subscriptions/S1", "", 200, `"id":"/subscriptions/s1","subscriptionId":"s1","tenantId":"tenant1","displayName":"First","state":"Enabled"`)
	p.expect("GET", "/subscriptions/s2", "", 404, "SubscriptionNotFound")
	p.expectFor(friend, "GET", "/subscriptions/s1", "", 403, "AuthorizationFailed")
	if p.count(boss, "/subscriptions") != 1 || p.count(friend, "/subscriptions") != 0 {
		t.Error("subscriptions are not filtered")
	}
	p.expect("GET", "/subscriptions/s1/providers", "", 200, `"namespace":"Microsoft.Authorization","registrationState":"Registered","resourceTypes":[{"resourceType":"roleAssignments"`)
	p.expect("GET", "/subscriptions/s1/providers/microsoft.authorization", "", 200, `"id":"/subscriptions/s1/providers/Microsoft.Authorization"`)
	p.expect("POST", "/subscriptions/s1/providers/Microsoft.Resources/register", "", 200, "Registered")
	p.expect("GET", "/subscriptions/s1/providers/Fabrikam.Things", "", 404, "InvalidResourceNamespace")
}

func TestRoleDefinitions(t *testing.T) {
	p := newPlatform(t)
	at := "/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions"
	reader := roleID("Reader")
	if n := p.count(boss, at); n != len(access.Roles()) {
		t.Error(n)
	}
	p.expect("GET", at+"?$filter="+url.QueryEscape("roleName eq 'reader'"), "", 200, `{"value":[{"id":"`+at+"/"+reader+`","name":"`+reader+
		`","type":"Microsoft.Authorization/roleDefinitions","properties":{"roleName":"Reader","type":"BuiltInRole"`)
	for filter, want := range map[string]int{
		"roleName eq 'Backup Reader' and type eq 'BuiltInRole'": 1, "type eq 'CustomRole'": 0, "atScopeAndBelow()": len(access.Roles()), "roleName eq 'it''s'": 0,
	} {
		if n := p.count(boss, at+"?$filter="+url.QueryEscape(filter)); n != want {
			t.Errorf("%s: %d", filter, n)
		}
	}
	for _, filter := range []string{"x", "roleName", "roleName eq", "roleName eq Reader", "roleName eq 'a", "roleName ne 'a'", "roleName eq 'a' or type eq 'b'",
		"roleName eq 'a' and", "other eq 'a'", "atScope(", "atScope('x", "assignedTo('x')", "roleName eq 'a'and type eq 'b'"} {
		p.expect("GET", at+"?$filter="+url.QueryEscape(filter), "", 400, "UnsupportedQuery")
	}
	p.expect("GET", at+"/"+strings.ToUpper(reader), "", 200, `"roleName":"Reader"`)
	p.expect("GET", "/providers/Microsoft.Authorization/roleDefinitions/"+reader, "", 200, `"id":"/providers/Microsoft.Authorization/roleDefinitions/`+reader+`"`)
	p.expect("GET", at+"/"+uuid.NewString(), "", 404, "RoleDefinitionDoesNotExist")
}

func assignment(role, principal string) string {
	return `{"properties":{"roleDefinitionId":"/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions/` + role +
		`","principalId":"` + principal + `","principalType":"user","description":"because","condition":null}}`
}

func TestRoleAssignmentLife(t *testing.T) {
	p := newPlatform(t)
	p.expect("PUT", groupA, `{"location":"x"}`, 201, "")
	name := uuid.NewString()
	path := groupA + "/providers/Microsoft.Authorization/roleAssignments/" + name
	p.expectFor(friend, "GET", groupA, "", 403, "")
	p.expect("GET", path, "", 404, "RoleAssignmentNotFound")
	body := assignment(roleID("Reader"), friend)
	p.expect("PUT", "/"+path, body, 201, `{"id":"`+path+`","name":"`+name+`","type":"Microsoft.Authorization/roleAssignments",`+
		`"properties":{"roleDefinitionId":"/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions/`+roleID("Reader")+`","principalId":"`+friend+
		`","principalType":"User","scope":"`+groupA+`","condition":null,"conditionVersion":null,"description":"because","createdOn":"2026-01-02T03:04:05.0000000Z"`)
	p.expect("PUT", path, body, 200, name)
	p.expect("PUT", path, assignment(roleID("Owner"), friend), 400, "RoleAssignmentUpdateNotPermitted")
	p.expect("PUT", groupA+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString(), strings.ToUpper(body[:20])+body[20:], 409, name)
	p.expectFor(friend, "GET", groupA, "", 200, "")
	p.expectFor(friend, "GET", path, "", 200, "")
	p.expectFor(friend, "GET", "/subscriptions/s1", "", 200, "")
	p.expectFor(friend, "PATCH", groupA, `{}`, 403, "")
	p.expectFor(friend, "PUT", groupA+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString(), assignment(roleID("Owner"), friend), 403, "roleAssignments/write")
	if p.count(friend, "/subscriptions") != 1 || p.count(friend, "/subscriptions/s1/resourceGroups") != 1 {
		t.Error("the friend does not see where he may go")
	}
	p.expect("DELETE", path, "", 200, name)
	p.expect("DELETE", path, "", 204, "")
	p.expectFor(friend, "GET", groupA, "", 403, "")
}

func TestRoleAssignmentLists(t *testing.T) {
	p := newPlatform(t)
	p.expect("PUT", groupA, `{"location":"x"}`, 201, "")
	for _, scope := range []string{"/subscriptions/s1", groupA, groupA + "/providers/A.B/c/d"} {
		p.expect("PUT", scope+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString(), assignment(roleID("Reader"), friend), 201, "")
	}
	const list = "/providers/Microsoft.Authorization/roleAssignments"
	for path, want := range map[string]int{
		list:                                 4,
		"/subscriptions/s1" + list:           4,
		groupA + list:                        4,
		groupA + list + "?$filter=atScope()": 3,
		"/subscriptions/s1" + list + "?$filter=atScope()":                                             2,
		groupA + list + "?$filter=" + url.QueryEscape("principalId eq '"+boss+"'"):                    1,
		groupA + list + "?$filter=" + url.QueryEscape("atScope() and assignedTo('"+friend+"')"):       2,
		"/subscriptions/s1/resourceGroups/groupB" + list + "?$filter=" + url.QueryEscape("atScope()"): -1,
	} {
		if want < 0 {
			p.expect("GET", path, "", 404, "ResourceGroupNotFound")
		} else if n := p.count(boss, path); n != want {
			t.Errorf("%s: %d, want %d", path, n, want)
		}
	}
	if n := p.count(friend, groupA+list); n != 4 {
		t.Errorf("a reader of the group sees %d", n)
	}
	p.expect("DELETE", groupA, "", 202, "")
	if n := p.count(boss, list); n != 2 {
		t.Errorf("rights outlive the group: %d", n)
	}
}

// Whoever is left must be able to sign in: the friend is not a service
// principal before the second half.
func TestLastOwnerAssignmentStays(t *testing.T) {
	p := newPlatform(t)
	const at = "/providers/Microsoft.Authorization/roleAssignments/"
	root := strings.ReplaceAll(assignment(roleID("Owner"), friend), "/subscriptions/s1", "")
	first, second := uuid.NewString(), uuid.NewString()
	p.expect("PUT", at+first, root, 201, `"scope":"/"`)
	p.expect("DELETE", at+first, "", 409, `"code":"LastOwnerAssignment"`)
	p.expect("DELETE", "/"+strings.ToUpper(at)+first, "", 409, "Assign Owner at '/' to another service principal")
	p.expect("GET", at+first, "", 200, first)
	for _, id := range []string{boss, friend} {
		p.update(func(tx catalog.Tx) error {
			return inventory.ServicePrincipals.Put(tx, &inventory.ServicePrincipal{Meta: backup.Meta{ID: id}, ClientID: id, ObjectID: id})
		})
	}
	p.expect("PUT", groupA, `{"location":"x"}`, 201, "")
	p.expect("PUT", groupA+at+second, assignment(roleID("Owner"), friend), 201, "")
	p.expect("DELETE", groupA+at+second, "", 200, "")
	p.expect("DELETE", at+first, "", 200, first)
}

func TestRoleAssignmentRefusals(t *testing.T) {
	p := newPlatform(t)
	at := "/subscriptions/s1/providers/Microsoft.Authorization/roleAssignments/"
	good := assignment(roleID("Reader"), friend)
	p.expect("PUT", at+"no-guid", good, 400, "InvalidRoleAssignmentId")
	p.expect("PUT", at+uuid.NewString(), strings.Replace(good, friend, "someone", 1), 400, "InvalidPrincipalId")
	p.expect("PUT", at+uuid.NewString(), strings.Replace(good, roleID("Reader"), uuid.NewString(), 1), 400, "RoleDefinitionDoesNotExist")
	p.expect("PUT", at+uuid.NewString(), strings.Replace(good, "roleDefinitions/", "other/", 1), 400, "RoleDefinitionDoesNotExist")
	p.expect("PUT", at+uuid.NewString(), strings.Replace(good, `"user"`, `"robot"`, 1), 400, "principalType")
	p.expect("PUT", at+uuid.NewString(), strings.Replace(good, `null`, `"@Resource"`, 1), 400, "RoleAssignmentConditionNotSupported")
	p.expect("PUT", at+uuid.NewString(), `{}`, 400, "InvalidPrincipalId")
	if n := p.count(boss, strings.TrimSuffix(at, "/")); n != 1 {
		t.Error("a refusal changed something:", n)
	}
}
