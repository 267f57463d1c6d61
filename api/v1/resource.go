// Package v1 holds the wire types of the public API: the resource documents
// and request bodies of Azure Resource Manager as backup for Kubernetes
// clusters uses them, one superset of all api-versions. It has no rules.
//
// Pointers and omitzero keep the difference between absent, null and empty,
// because what a client sent must come back as sent. Property names are
// matched without regard to case when reading.
package v1

// Version is the api-version that the project's own clients send to
// Microsoft.DataProtection.
const Version = "2025-07-01"

// Resource is the envelope of every resource document.
type Resource struct {
	ID       string            `json:"id,omitempty"`   // set by the service
	Name     string            `json:"name,omitempty"` // set by the service
	Type     string            `json:"type,omitempty"` // set by the service
	Location string            `json:"location,omitempty"`
	Tags     map[string]string `json:"tags,omitzero"`
	ETag     string            `json:"eTag,omitempty"`
	Identity *Identity         `json:"identity,omitempty"`
	// SystemData is set by the service.
	SystemData *SystemData `json:"systemData,omitempty"`
}

// ResourceID returns the id.
func (r Resource) ResourceID() string { return r.ID }

// Identity is the managed identity of a resource.
type Identity struct {
	Type        string `json:"type,omitempty"`        // None, SystemAssigned, UserAssigned or both with a comma
	PrincipalID string `json:"principalId,omitempty"` // set by the service
	TenantID    string `json:"tenantId,omitempty"`    // set by the service
	// UserAssignedIdentities has the ids of identities as keys.
	UserAssignedIdentities map[string]*UserAssignedIdentityRef `json:"userAssignedIdentities,omitempty"`
}

// UserAssignedIdentityRef is an attached identity as the service shows it.
type UserAssignedIdentityRef struct {
	ClientID    string `json:"clientId,omitempty"`
	PrincipalID string `json:"principalId,omitempty"`
}

// SystemData says who made and changed a resource. Times are RFC 3339.
type SystemData struct {
	CreatedBy          string `json:"createdBy,omitempty"`
	CreatedByType      string `json:"createdByType,omitempty"`
	CreatedAt          string `json:"createdAt,omitempty"`
	LastModifiedBy     string `json:"lastModifiedBy,omitempty"`
	LastModifiedByType string `json:"lastModifiedByType,omitempty"`
	LastModifiedAt     string `json:"lastModifiedAt,omitempty"`
}

// List is one page of a list. NextLink is absent on the last page.
type List[T any] struct {
	Value    []T    `json:"value"`
	NextLink string `json:"nextLink,omitempty"`
}
