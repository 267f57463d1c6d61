package signin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/catalog"
)

// leeway forgives clocks that differ.
const leeway = time.Minute

// Refusal is why a request was not let in.
type Refusal struct {
	Code      string // such as ExpiredAuthenticationToken
	Message   string
	challenge string
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Refusal returns the code and the WWW-Authenticate header.
func (r *Refusal) Refusal() (code, challenge string) { return r.Code, r.challenge }

func (s *Service) refuse(code, format string, args ...any) *Refusal {
	message := fmt.Sprintf(format, args...)
	return &Refusal{code, message, fmt.Sprintf("Bearer authorization_uri=%q, error=%q, error_description=%q",
		s.BaseURL+"/"+s.TenantID, "invalid_token", message)}
}

// Authenticate names the caller by the access token of the request. It fails
// with a *Refusal, or with what the catalog says.
func (s *Service) Authenticate(r *http.Request) (access.Principal, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return access.Principal{}, s.refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	scheme, text, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return access.Principal{}, s.refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header does not hold a bearer token.")
	}
	c, err := s.verify(strings.TrimSpace(text))
	if err != nil {
		return access.Principal{}, err
	}
	p, err := s.find(r.Context(), c.AppID)
	if errors.Is(err, catalog.ErrNotFound) || (err == nil && p.ObjectID != c.ObjectID) {
		return access.Principal{}, s.refuse("InvalidAuthenticationToken", "The application '%s' does not exist any more.", c.AppID)
	} else if err != nil {
		return access.Principal{}, fmt.Errorf("service principal %s: %w", c.AppID, err)
	}
	return access.Principal{ObjectID: p.ObjectID, TenantID: s.TenantID, AppID: p.ClientID, Name: p.Name, Kind: access.ServicePrincipal}, nil
}

// verify checks signature, issuer, times and audience of a token.
func (s *Service) verify(text string) (claims, error) {
	var c claims
	_, err := jwt.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return &s.Key.PublicKey, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}), jwt.WithIssuer(s.issuer()),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(s.Clock.Now))
	if errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenInvalidIssuer) {
		return claims{}, s.refuse("ExpiredAuthenticationToken", "The access token expiry UTC time '%s' is earlier than current UTC time '%s'.",
			c.ExpiresAt.UTC().Format(time.RFC3339), s.Clock.Now().Format(time.RFC3339))
	} else if err != nil {
		return claims{}, s.refuse("InvalidAuthenticationToken", "The access token is invalid.")
	}
	if _, known := s.audience(c.Audience); known {
		return c, nil
	}
	return claims{}, s.refuse("InvalidAuthenticationTokenAudience",
		"The access token has been obtained for wrong audience or resource '%s'. It should match '%s'.", c.Audience, s.BaseURL)
}
