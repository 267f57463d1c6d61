package inventory

import (
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// ServicePrincipal is a program that signs in with a secret. Only the hash of
// the secret is kept.
type ServicePrincipal struct {
	backup.Meta `json:"-"` // its ID is the client id, and needed to write only

	ClientID   string    `json:"clientId"`
	ObjectID   string    `json:"objectId"` // what role assignments name
	Name       string    `json:"name"`
	SecretHash []byte    `json:"secretHash"`
	Created    time.Time `json:"created"`
}

// ServicePrincipals is the collection of all programs that may sign in.
var ServicePrincipals = Collection[ServicePrincipal, *ServicePrincipal]{kind: "serviceprincipal"}

// AllServicePrincipals reads every service principal, in order of client ids.
func AllServicePrincipals(tx catalog.Tx) ([]ServicePrincipal, error) {
	return ServicePrincipals.all(tx, catalog.Query{})
}
