package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/resourceid"
)

// Credentials are handed out once, when a service principal is created.
type Credentials struct {
	TenantID string
	ClientID string
	ObjectID string // what role assignments name
	Secret   string
}

// Grant is a role over a scope.
type Grant struct {
	Role  access.Role
	Scope resourceid.ID
}

// create makes a program. Secrets are 256 random bits, so a fast hash is enough.
func (p Principals) create(tx catalog.Tx, name string, grants ...Grant) (Credentials, error) {
	var random [32]byte
	rand.Read(random[:]) // documented never to fail
	c := Credentials{TenantID: p.TenantID, ClientID: uuid.NewString(), ObjectID: uuid.NewString(),
		Secret: base64.RawURLEncoding.EncodeToString(random[:])}
	hash := sha256.Sum256([]byte(c.Secret))
	program := &inventory.ServicePrincipal{Meta: backup.Meta{ID: c.ClientID},
		ClientID: c.ClientID, ObjectID: c.ObjectID, Name: name, SecretHash: hash[:], Created: p.Clock.Now()}
	if err := inventory.ServicePrincipals.PutIf(tx, program, catalog.IfAbsent); err != nil {
		return Credentials{}, err
	}
	for _, g := range grants {
		if err := p.grant(tx, c.ObjectID, g); err != nil {
			return Credentials{}, err
		}
	}
	return c, nil
}

func (p Principals) grant(tx catalog.Tx, objectID string, g Grant) error {
	id := strings.TrimSuffix(g.Scope.String(), "/") + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()
	return inventory.RoleAssignments.Put(tx, &inventory.RoleAssignment{
		Meta:  backup.Meta{ID: id, System: p.stamp()},
		Scope: g.Scope.String(), RoleID: g.Role.ID, PrincipalID: objectID, PrincipalType: access.ServicePrincipal,
	})
}

// stamp says that the service's own program made something.
func (p Principals) stamp() backup.SystemData {
	now := p.Clock.Now()
	return backup.SystemData{CreatedBy: "holdfastd", CreatedAt: now, ChangedBy: "holdfastd", ChangedAt: now}
}

// holds compares a secret in constant time.
func holds(p *inventory.ServicePrincipal, secret string) bool {
	hash := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(hash[:], p.SecretHash) == 1
}
