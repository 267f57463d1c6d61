package signin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	armpolicy "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/policy"
	armruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/golang-jwt/jwt/v5"

	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/signin"
)

// An unmodified Azure client signs in and calls, with nothing but the
// service's address.
func TestAzureClient(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	place := cloud.Configuration{ActiveDirectoryAuthorityHost: w.URL + "/",
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: w.URL, Audience: w.URL}}}
	options := azcore.ClientOptions{Cloud: place, Transport: w.Client()}
	credential, err := azidentity.NewClientSecretCredential(w.TenantID, c.ClientID, c.Secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := armruntime.NewPipeline("test", "v1", credential, runtime.PipelineOptions{},
		&armpolicy.ClientOptions{ClientOptions: options, DisableRPRegistration: true})
	if err != nil {
		t.Fatal(err)
	}
	req, err := runtime.NewRequest(t.Context(), http.MethodGet, w.URL+me)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var who struct{ ObjectID, AppID, TenantID, Name, Kind string }
	if err := runtime.UnmarshalAsJSON(resp, &who); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.StatusCode, err)
	}
	if who.ObjectID != c.ObjectID || who.AppID != c.ClientID || who.TenantID != w.TenantID || who.Kind != "ServicePrincipal" || who.Name != "bootstrap" {
		t.Errorf("%+v", who)
	}
}

func TestTokenRequests(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	v2, v1 := "/"+w.TenantID+"/oauth2/v2.0/token", "/"+w.TenantID+"/oauth2/token"
	for _, x := range []struct {
		name, path, set, to string
		status              int
		code                string
	}{
		{"newer form", v2, "", "", 200, ""},
		{"tenant in capitals", strings.ToUpper(v2[:37]) + v2[37:], "", "", 200, ""},
		{"audience with two slashes", v2, "scope", w.URL + "//.default", 200, ""},
		{"other scopes beside", v2, "scope", "openid " + w.URL + "/.default profile", 200, ""},
		{"another audience", v2, "scope", "https://management.example//.default", 200, ""},
		{"older form", v1, "resource", w.URL + "/", 200, ""},
		{"wrong secret", v2, "client_secret", "x", 401, "invalid_client"},
		{"empty secret", v2, "client_secret", "", 401, "invalid_client"},
		{"unknown client", v2, "client_id", "00000000-0000-0000-0000-000000000000", 401, "invalid_client"},
		{"no client", v2, "client_id", "", 401, "invalid_client"},
		{"grant", v2, "grant_type", "password", 400, "unsupported_grant_type"},
		{"no scope", v2, "scope", "", 400, "invalid_scope"},
		{"scope of one permission", v2, "scope", w.URL + "/read", 400, "invalid_scope"},
		{"strange audience", v2, "scope", "https://elsewhere.example/.default", 400, "invalid_resource"},
		{"strange tenant", "/common/oauth2/v2.0/token", "", "", 400, "invalid_request"},
	} {
		form := w.form(c)
		if x.set != "" {
			form.Set(x.set, x.to)
		}
		status, doc := w.ask(x.path, form)
		if code, _ := doc["error"].(string); status != x.status || code != x.code {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
		if status == 200 && (doc["token_type"] != "Bearer" || doc["expires_in"] != float64(3600) || strings.Count(doc["access_token"].(string), ".") != 2) {
			t.Errorf("%s: %v", x.name, doc)
		}
		if strings.Contains(fmt.Sprint(doc), c.Secret) {
			t.Errorf("%s: the answer shows the secret", x.name)
		}
	}
	if strings.Contains(w.log.String(), c.Secret) {
		t.Error("the log shows the secret")
	}
}

func TestBasicAuthentication(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	form := w.form(c)
	form.Del("client_id")
	form.Del("client_secret")
	req, _ := http.NewRequest(http.MethodPost, w.URL+"/"+w.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(c.ClientID, c.Secret)
	if resp, body := w.send(req); resp.StatusCode != 200 {
		t.Error(resp.StatusCode, body)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	path, wrong := "/"+w.TenantID+"/oauth2/v2.0/token", w.form(c)
	wrong.Set("client_secret", "guess")
	for range 10 {
		if status, _ := w.ask(path, wrong); status != 401 {
			t.Fatal(status)
		}
	}
	if status, doc := w.ask(path, w.form(c)); status != 429 {
		t.Error(status, doc)
	}
	other, err := w.Create(context.Background(), "other")
	if err != nil {
		t.Fatal(err)
	}
	w.tokenFor(other) // another client is not held up
	w.clock.Advance(time.Minute)
	w.tokenFor(c)
}

// Terraform's provider reads the token's contents into plain strings.
func TestClaimsAreStrings(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(w.tokenFor(c), claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"aud": w.URL, "oid": c.ObjectID, "tid": w.TenantID, "appid": c.ClientID, "sub": c.ObjectID} {
		if claims[name] != want {
			t.Errorf("%s: %v, not %s", name, claims[name], want)
		}
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	good := w.tokenFor(c)
	if resp, body := w.get(me, "bearer "+good); resp.StatusCode != 200 {
		t.Fatal(resp.StatusCode, body)
	}
	stranger := newWorld(t) // another service with the same key and another address
	foreign := stranger.tokenFor(stranger.bootstrap())
	forged := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(good, claims); err != nil {
			t.Fatal(err)
		}
		change(claims)
		text, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	set := func(name string, value any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = value } }
	for _, x := range []struct{ name, header, code, says string }{
		{"none", "", "AuthenticationFailed", "missing"},
		{"basic", "Basic abc", "AuthenticationFailed", "bearer"},
		{"empty", "Bearer ", "InvalidAuthenticationToken", ""},
		{"nonsense", "Bearer a.b.c", "InvalidAuthenticationToken", ""},
		{"changed", "Bearer " + good[:len(good)-8] + "AAAAAAAA", "InvalidAuthenticationToken", ""},
		{"of another service", "Bearer " + foreign, "InvalidAuthenticationToken", ""},
		{"unsigned", "Bearer " + forged(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, func(jwt.MapClaims) {}), "InvalidAuthenticationToken", ""},
		{"signed with the public key as a secret", "Bearer " + forged(jwt.SigningMethodHS256, key().N.Bytes(), func(jwt.MapClaims) {}), "InvalidAuthenticationToken", ""},
		{"audience", "Bearer " + forged(jwt.SigningMethodRS256, key(), set("aud", "https://elsewhere.example")), "InvalidAuthenticationTokenAudience", "elsewhere"},
		{"no audience", "Bearer " + forged(jwt.SigningMethodRS256, key(), func(c jwt.MapClaims) { delete(c, "aud") }), "InvalidAuthenticationTokenAudience", ""},
		{"no end", "Bearer " + forged(jwt.SigningMethodRS256, key(), func(c jwt.MapClaims) { delete(c, "exp") }), "InvalidAuthenticationToken", ""},
		{"not yet", "Bearer " + forged(jwt.SigningMethodRS256, key(), set("nbf", w.clock.Now().Add(time.Hour).Unix())), "InvalidAuthenticationToken", ""},
		{"object of another", "Bearer " + forged(jwt.SigningMethodRS256, key(), set("oid", "other")), "InvalidAuthenticationToken", ""},
		{"unknown application", "Bearer " + forged(jwt.SigningMethodRS256, key(), set("appid", "other")), "InvalidAuthenticationToken", "other"},
	} {
		resp, body := w.get(me, x.header)
		var doc struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || resp.StatusCode != 401 || doc.Error.Code != x.code || !strings.Contains(doc.Error.Message, x.says) {
			t.Errorf("%s: %d %s", x.name, resp.StatusCode, body)
		}
		if !strings.Contains(resp.Header.Get("WWW-Authenticate"), `authorization_uri="`+w.URL+"/"+w.TenantID+`"`) {
			t.Errorf("%s: challenge %q", x.name, resp.Header.Get("WWW-Authenticate"))
		}
	}
	w.clock.Advance(signin.TokenLife + 2*time.Minute)
	if resp, body := w.get(me, "Bearer "+good); resp.StatusCode != 401 || !strings.Contains(body, "ExpiredAuthenticationToken") {
		t.Error(resp.StatusCode, body)
	}
}

func TestDeletedPrincipalIsOutAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	token := w.tokenFor(c)
	if _, err := w.Create(t.Context(), "second", signin.OwnerOfAll()); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), strings.ToUpper(c.ClientID)); err != nil {
		t.Fatal(err)
	}
	if resp, body := w.get(me, "Bearer "+token); resp.StatusCode != 401 {
		t.Error(resp.StatusCode, body)
	}
}

func TestBootstrapOnce(t *testing.T) {
	w := newWorld(t)
	w.bootstrap()
	if c, created, err := w.Bootstrap(context.Background(), "sub2", "x"); created || err != nil || c.Secret != "" {
		t.Error(c, created, err)
	}
	other, err := w.Create(context.Background(), "other")
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := w.get(me, "Bearer "+w.tokenFor(other)); resp.StatusCode != 403 || !strings.Contains(body, "no role is assigned") {
		t.Error("a new principal may do something:", resp.StatusCode, body)
	}
}

func TestOnlyHashesAreStored(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	if dump := dumpOf(t, w.store); strings.Contains(dump, c.Secret) || !strings.Contains(dump, c.ClientID) {
		t.Error("the catalog holds a secret, or no principal")
	}
}

func TestTenant(t *testing.T) {
	store := catalogtest.NewMemory()
	first, err := signin.EnsureTenant(context.Background(), store, "")
	if err != nil || len(first) != 36 {
		t.Fatal(first, err)
	}
	if again, err := signin.EnsureTenant(context.Background(), store, first); err != nil || again != first {
		t.Error(again, err)
	}
	if _, err := signin.EnsureTenant(context.Background(), store, "another"); err == nil {
		t.Error("the tenant changed")
	}
}

func TestLoadKey(t *testing.T) {
	dir := t.TempDir()
	first, err := signin.LoadKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := signin.LoadKey(dir); err != nil || !again.Equal(first) {
		t.Error("another key after a restart", err)
	}
	if err := os.WriteFile(dir+"/token-signing.key", []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := signin.LoadKey(dir); err == nil {
		t.Error("a broken key was replaced silently")
	}
}

func TestDiscovery(t *testing.T) {
	w := newWorld(t)
	for _, tenant := range []string{w.TenantID, "common", "organizations"} {
		for _, form := range []string{"/v2.0", ""} {
			_, body := w.get("/"+tenant+form+"/.well-known/openid-configuration", "")
			var doc map[string]any
			if err := json.Unmarshal([]byte(body), &doc); err != nil || doc["issuer"] != w.URL+"/"+w.TenantID+"/v2.0" || doc["token_endpoint"] != w.URL+"/"+w.TenantID+"/oauth2/v2.0/token" {
				t.Errorf("%s%s: %s", tenant, form, body)
			}
			u, err := url.Parse(doc["jwks_uri"].(string))
			if err != nil {
				t.Fatal(err)
			}
			if resp, keys := w.get(u.Path, ""); resp.StatusCode != 200 || !strings.Contains(keys, `"kty":"RSA"`) {
				t.Error(keys)
			}
		}
	}
	if resp, _ := w.get("/strange/v2.0/.well-known/openid-configuration", ""); resp.StatusCode != 400 {
		t.Error(resp.StatusCode)
	}
	if resp, body := w.get("/common/discovery/instance?api-version=1.1", ""); resp.StatusCode != 200 || !strings.Contains(body, "tenant_discovery_endpoint") {
		t.Error(body)
	}
}

func TestMetadata(t *testing.T) {
	w := newWorld(t)
	_, body := w.get("/metadata/endpoints?api-version=2022-09-01", "")
	var doc struct {
		Name, Portal, ResourceManager, MicrosoftGraphResourceID string
		Authentication                                          struct {
			LoginEndpoint, Tenant, IdentityProvider string
			Audiences                               []string
		}
		Suffixes map[string]string
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(body, err)
	}
	a := doc.Authentication
	if doc.ResourceManager != w.URL || a.LoginEndpoint != w.URL || a.Audiences[0] != w.URL || a.IdentityProvider != "AAD" || doc.Suffixes["storage"] == "" {
		t.Error(body)
	}
	if _, body := w.get("/metadata/endpoints?api-version=2019-05-01", ""); !strings.HasPrefix(body, "[") {
		t.Error("older clients expect a list:", body)
	}
}
