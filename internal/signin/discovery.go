package signin

import (
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"strings"
)

// openID describes the tenant to OpenID Connect and MSAL clients.
func (s *Service) openID(w http.ResponseWriter, r *http.Request) {
	if !s.knowsTenant(r) {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_tenant",
			"error_description": "Tenant '" + r.PathValue("tenant") + "' not found."})
		return
	}
	base := s.BaseURL + "/" + s.TenantID
	reply(w, http.StatusOK, map[string]any{
		"issuer":                                s.issuer(),
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"none"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
	})
}

// knowsTenant accepts the tenant and the names that stand for any.
func (s *Service) knowsTenant(r *http.Request) bool {
	switch tenant := r.PathValue("tenant"); tenant {
	case "common", "organizations":
		return true
	default:
		return strings.EqualFold(tenant, s.TenantID)
	}
}

// keys publishes the key that verifies our tokens.
func (s *Service) keys(w http.ResponseWriter, _ *http.Request) {
	encode := base64.RawURLEncoding.EncodeToString
	reply(w, http.StatusOK, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": s.keyID, "issuer": s.issuer(),
		"n": encode(s.Key.N.Bytes()), "e": encode(big.NewInt(int64(s.Key.E)).Bytes()),
	}}})
}

// instance tells MSAL that this host is an authority of its own.
func (s *Service) instance(w http.ResponseWriter, _ *http.Request) {
	host := s.BaseURL
	if u, err := url.Parse(s.BaseURL); err == nil {
		host = u.Host
	}
	reply(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": s.BaseURL + "/" + s.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []map[string]any{{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	})
}
