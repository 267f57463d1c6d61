package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// TokenLife is how long an access token is good for.
const TokenLife = time.Hour

// maxForm is the largest token request read, in bytes.
const maxForm = 16 << 10

// claims are the contents of our access tokens. Clients read oid, tid and
// appid out of them.
type claims struct {
	jwt.RegisteredClaims
	// Audience hides the library's, which is written as a list: clients of ARM
	// read one string.
	Audience string `json:"aud"`
	ObjectID string `json:"oid"`
	TenantID string `json:"tid"`
	AppID    string `json:"appid"`
	AppName  string `json:"app_displayname,omitempty"`
	IDType   string `json:"idtyp"`
	Version  string `json:"ver"`
}

// tokenError is an OAuth 2 refusal.
type tokenError struct {
	status            int
	code, description string
}

// token answers both forms of the token address: scope in the newer, resource
// in the older.
func (s *Service) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	resource, refusal := s.admit(r)
	if refusal == nil {
		var p *inventory.ServicePrincipal
		if p, refusal = s.signIn(r); refusal == nil {
			s.issue(w, p, resource)
			return
		}
	}
	if refusal.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusalWindow.Seconds())))
	}
	reply(w, refusal.status, map[string]any{
		"error": refusal.code, "error_description": refusal.description,
		"correlation_id": uuid.NewString(), "timestamp": s.Clock.Now().Format(time.RFC3339),
	})
}

// admit checks everything about a token request but the caller. It returns the
// audience asked for.
func (s *Service) admit(r *http.Request) (string, *tokenError) {
	bad := func(code, text string) (string, *tokenError) {
		return "", &tokenError{http.StatusBadRequest, code, text}
	}
	if !strings.EqualFold(r.PathValue("tenant"), s.TenantID) {
		return bad("invalid_request", "Tenant '"+r.PathValue("tenant")+"' not found. This service has the tenant "+s.TenantID+".")
	}
	if err := r.ParseForm(); err != nil {
		return bad("invalid_request", "The request body must be a form.")
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		return bad("unsupported_grant_type", "The grant type must be client_credentials.")
	}
	asked := r.PostForm.Get("resource")
	if asked == "" {
		var found bool
		// Clients also ask for openid, profile and offline_access: ignored.
		for scope := range strings.FieldsSeq(r.PostForm.Get("scope")) {
			if base, ok := strings.CutSuffix(scope, "/.default"); ok {
				asked, found = base, true
			}
		}
		if !found {
			return bad("invalid_scope", "The scope must be one audience followed by /.default.")
		}
	}
	audience, known := s.audience(asked)
	if !known {
		return bad("invalid_resource", "The audience '"+asked+"' is not known here; ask for "+s.BaseURL+"/.default.")
	}
	return audience, nil
}

// signIn checks the client's secret, and slows down who guesses.
func (s *Service) signIn(r *http.Request) (*inventory.ServicePrincipal, *tokenError) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	who := strings.ToLower(id) + " from " + host
	if s.refusals.tooMany(who) {
		return nil, &tokenError{http.StatusTooManyRequests, "temporarily_unavailable", "Too many failed attempts; wait a minute."}
	}
	p, err := s.find(r.Context(), id)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		s.Log.ErrorContext(r.Context(), "read service principal", "client", id, "error", err)
		return nil, &tokenError{http.StatusInternalServerError, "server_error", "The service failed; try again."}
	}
	if err != nil || !holds(p, secret) {
		s.refusals.add(who)
		s.Log.WarnContext(r.Context(), "sign-in refused", "client", id, "from", host)
		return nil, &tokenError{http.StatusUnauthorized, "invalid_client", "The client id or the client secret is wrong."}
	}
	return p, nil
}

// find reads a service principal; catalog.ErrNotFound when there is none.
func (s *Service) find(ctx context.Context, clientID string) (p *inventory.ServicePrincipal, err error) {
	err = s.Store.View(ctx, func(tx catalog.Tx) error {
		p, err = inventory.ServicePrincipals.Get(tx, clientID)
		return err
	})
	return p, err
}

// issue answers with a token for the audience.
func (s *Service) issue(w http.ResponseWriter, p *inventory.ServicePrincipal, audience string) {
	now := s.Clock.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.issuer(), Subject: p.ObjectID, ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(TokenLife)),
		},
		Audience: audience, ObjectID: p.ObjectID, TenantID: s.TenantID, AppID: p.ClientID, AppName: p.Name, IDType: "app", Version: "2.0",
	})
	token.Header["kid"] = s.keyID
	signed, err := token.SignedString(s.Key)
	if err != nil {
		s.Log.Error("sign token", "error", err)
		reply(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	seconds := int(TokenLife.Seconds())
	reply(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "access_token": signed, "expires_in": seconds, "ext_expires_in": seconds,
		"expires_on": strconv.FormatInt(now.Add(TokenLife).Unix(), 10), "resource": audience,
	})
}

// reply sends a document that must not be kept by anyone on the way.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller is gone, nobody to tell
}
