package v1

// ResourceGroup is a named place for resources.
type ResourceGroup struct {
	Resource
	ManagedBy  string                   `json:"managedBy,omitempty"`
	Properties *ResourceGroupProperties `json:"properties,omitempty"`
}

// ResourceGroupProperties are set by the service.
type ResourceGroupProperties struct {
	ProvisioningState string `json:"provisioningState,omitempty"`
}

// ResourceGroupPatch changes what it holds and leaves the rest.
type ResourceGroupPatch struct {
	Tags      map[string]string `json:"tags,omitzero"`
	ManagedBy *string           `json:"managedBy,omitempty"`
}

// Subscription is the outermost place of resources.
type Subscription struct {
	ID                  string               `json:"id"`
	SubscriptionID      string               `json:"subscriptionId"`
	TenantID            string               `json:"tenantId"`
	DisplayName         string               `json:"displayName"`
	State               string               `json:"state"` // Enabled
	AuthorizationSource string               `json:"authorizationSource"`
	Policies            SubscriptionPolicies `json:"subscriptionPolicies"`
	ManagedByTenants    []string             `json:"managedByTenants"`
}

// SubscriptionPolicies are fixed; clients expect the properties to be there.
type SubscriptionPolicies struct {
	LocationPlacementID string `json:"locationPlacementId"`
	QuotaID             string `json:"quotaId"`
	SpendingLimit       string `json:"spendingLimit"`
}

// Tenant is a directory of principals.
type Tenant struct {
	ID             string `json:"id"`
	TenantID       string `json:"tenantId"`
	DisplayName    string `json:"displayName"`
	TenantCategory string `json:"tenantCategory"`
}

// ProviderNamespace is a family of resource types.
type ProviderNamespace struct {
	ID                string         `json:"id"`
	Namespace         string         `json:"namespace"`
	RegistrationState string         `json:"registrationState"` // Registered
	ResourceTypes     []ProviderType `json:"resourceTypes"`
}

// ProviderType is one resource type of a family.
type ProviderType struct {
	ResourceType string   `json:"resourceType"`
	Locations    []string `json:"locations"`
	APIVersions  []string `json:"apiVersions"`
}
