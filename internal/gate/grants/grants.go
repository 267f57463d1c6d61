// Package grants makes and checks the short-lived tokens that open the gate:
// each names one operation of one cluster, one repository in one store, and
// what may be done there. A token is signed, not stored; it is good for its
// time, and only as long as its operation lives, which the gate asks for.
package grants

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// Life is how long a grant is good for, unless the issuer says otherwise.
const Life = time.Hour

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 4 << 10

// Errors of Verify; test with errors.Is.
var (
	// ErrInvalid: not a token of this service, or changed.
	ErrInvalid = errors.New("not a grant of this service")
	// ErrExpired: it was one, until its time was over.
	ErrExpired = errors.New("the grant has expired")
)

// Rights say what a grant allows. Nothing allows to overwrite or delete.
type Rights string

// Rights.
const (
	Append Rights = "append" // create, read and list
	Read   Rights = "read"   // read and list
)

// Grant is what a token says.
type Grant struct {
	Operation string // id of the agent operation it ends with
	Cluster   string // full ARM id of the cluster it is for
	Store     string // which store; a reference that the gate's Stores resolve
	Prefix    string // of all object names; ends with "/", never empty
	Rights    Rights
	// RecoveryPoint is the id whose manifest and announcement may be written;
	// empty for none.
	RecoveryPoint string
}

// claims is a Grant as it stands in a token.
type claims struct {
	jwt.RegisteredClaims
	Operation     string `json:"op"`
	Cluster       string `json:"clu"`
	Store         string `json:"sto"`
	Prefix        string `json:"pre"`
	Rights        Rights `json:"rgt"`
	RecoveryPoint string `json:"rp,omitempty"`
}

// issuerName keeps these tokens apart from any other signed with the same key.
const issuerName = "holdfast gate"

// method is the only one that signs and the only one that is believed.
var method = jwt.SigningMethodHS256

// Key signs tokens, or has signed them.
type Key struct {
	ID     string // not secret
	Secret []byte // 32 random bytes
}

// Config is what an issuer needs.
type Config struct {
	Keys  []Key // the first signs, all are believed
	Clock clock.Clock
	URL   string        // https://host:port at which clusters reach the gate
	CA    string        // PEM to trust it by; empty for public authorities
	Life  time.Duration // of a grant; 0 means Life
}

// Issuer makes and checks grants. It is safe for concurrent use.
type Issuer struct{ Config }

// NewIssuer returns an issuer; there must be a key, and every key must be of
// full length.
func NewIssuer(c Config) (*Issuer, error) {
	if c.Life == 0 {
		c.Life = Life
	}
	if len(c.Keys) == 0 {
		return nil, errors.New("no key to sign grants with")
	}
	for _, key := range c.Keys {
		if len(key.Secret) < method.Hash.Size() || key.ID == "" {
			return nil, fmt.Errorf("key %q cannot sign grants: it has %d bytes", key.ID, len(key.Secret))
		}
	}
	return &Issuer{c}, nil
}

// Grant makes a grant, as it is put into the spec of an operation that is
// handed out.
func (i *Issuer) Grant(g Grant) (agentv1.GateGrant, error) {
	if err := g.check(); err != nil {
		return agentv1.GateGrant{}, fmt.Errorf("grant for operation %s: %w", g.Operation, err)
	}
	now := i.Clock.Now()
	token := jwt.NewWithClaims(method, claims{
		RegisteredClaims: jwt.RegisteredClaims{Issuer: issuerName, ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(i.Life))},
		Operation: g.Operation, Cluster: g.Cluster, Store: g.Store, Prefix: g.Prefix, Rights: g.Rights, RecoveryPoint: g.RecoveryPoint,
	})
	token.Header["kid"] = i.Keys[0].ID
	signed, err := token.SignedString(i.Keys[0].Secret)
	if err != nil {
		return agentv1.GateGrant{}, fmt.Errorf("sign grant for operation %s: %w", g.Operation, err)
	}
	return agentv1.GateGrant{URL: i.URL, Token: signed, CA: i.CA, Seconds: int(i.Life / time.Second)}, nil
}

// Verify returns what a token grants; ErrInvalid or ErrExpired.
func (i *Issuer) Verify(token string) (Grant, error) {
	if len(token) > maxToken {
		return Grant{}, ErrInvalid
	}
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, i.secret, jwt.WithValidMethods([]string{method.Alg()}),
		jwt.WithIssuer(issuerName), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(), jwt.WithTimeFunc(i.Clock.Now))
	g := Grant{c.Operation, c.Cluster, c.Store, c.Prefix, c.Rights, c.RecoveryPoint}
	switch {
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return Grant{}, ErrExpired
	case err != nil || g.check() != nil:
		return Grant{}, ErrInvalid // without the cause, which may quote the token
	}
	return g, nil
}

// secret finds the key that a token names.
func (i *Issuer) secret(token *jwt.Token) (any, error) {
	for _, key := range i.Keys {
		if token.Header["kid"] == key.ID {
			return key.Secret, nil
		}
	}
	return nil, ErrInvalid
}

// check refuses what would reach further than one repository.
func (g Grant) check() error {
	prefix, ends := strings.CutSuffix(g.Prefix, "/")
	switch {
	case g.Operation == "" || g.Cluster == "" || g.Store == "":
		return errors.New("operation, cluster and store must be named")
	case !ends:
		return fmt.Errorf("the prefix %q does not end with a slash", g.Prefix)
	case g.Rights != Append && g.Rights != Read:
		return fmt.Errorf("rights %q are not append or read", g.Rights)
	}
	if err := objstore.CheckName(prefix); err != nil {
		return fmt.Errorf("prefix: %w", err)
	}
	if g.RecoveryPoint == "" {
		return nil
	}
	_, err := layout.ParseID(g.RecoveryPoint)
	return err
}
