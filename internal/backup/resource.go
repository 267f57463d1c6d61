package backup

import (
	"strings"
	"time"
)

// Meta is what every stored resource has.
type Meta struct {
	// ID is the resource's path as it is shown to clients. Ids are compared
	// without regard to case.
	ID       string            `json:"id"`
	Location string            `json:"location,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	System   SystemData        `json:"system,omitzero"`
	// State is the provisioning state; empty counts as Succeeded.
	State ProvisioningState `json:"state,omitempty"`
	// ETag is the version that was read; set by the inventory, never stored.
	ETag string `json:"-"`
}

// Base returns m itself, so that code may treat all resources alike.
func (m *Meta) Base() *Meta { return m }

// Name returns the last segment of the id.
func (m *Meta) Name() string { return lastSegment(m.ID) }

// SystemData says who created and changed a resource, and when.
type SystemData struct {
	CreatedBy string    `json:"createdBy,omitempty"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	ChangedBy string    `json:"changedBy,omitempty"`
	ChangedAt time.Time `json:"changedAt,omitzero"`
}

// ProvisioningState is ARM's word for how far a resource has come.
type ProvisioningState string

// Provisioning states in use. A resource in a state that is not terminal has
// an operation running.
const (
	StateCreating     ProvisioningState = "Creating"
	StateProvisioning ProvisioningState = "Provisioning"
	StateUpdating     ProvisioningState = "Updating"
	StateDeleting     ProvisioningState = "Deleting"
	StateSucceeded    ProvisioningState = "Succeeded"
	StateFailed       ProvisioningState = "Failed"
	StateCanceled     ProvisioningState = "Canceled"
)

// Terminal says whether no operation is changing the resource.
func (s ProvisioningState) Terminal() bool {
	switch s {
	case "", StateSucceeded, StateFailed, StateCanceled:
		return true
	default:
		return false
	}
}

// Identity is the managed identity of a resource.
type Identity struct {
	// Type is None, SystemAssigned, UserAssigned or "SystemAssigned,UserAssigned".
	Type        string `json:"type,omitempty"`
	PrincipalID string `json:"principalId,omitempty"` // of the system-assigned identity
	// UserAssigned holds the ids of user-assigned identities as they were sent.
	UserAssigned []string `json:"userAssigned,omitempty"`
}

// Identity types.
const (
	IdentityNone   = "None"
	IdentitySystem = "SystemAssigned"
	IdentityUser   = "UserAssigned"
	IdentityBoth   = "SystemAssigned,UserAssigned"
)

// HasSystem says whether the system-assigned identity is on.
func (i Identity) HasSystem() bool { return i.Type == IdentitySystem || i.Type == IdentityBoth }

// ParseIdentityType returns the canonical spelling of an identity type; blanks
// and case do not matter, and empty means None.
func ParseIdentityType(text string) (string, *Problem) {
	canonical := map[string]string{
		"": IdentityNone, "none": IdentityNone, "systemassigned": IdentitySystem,
		"userassigned": IdentityUser, "systemassigned,userassigned": IdentityBoth,
	}
	key := strings.ToLower(strings.ReplaceAll(text, " ", ""))
	if t, ok := canonical[key]; ok {
		return t, nil
	}
	return "", Invalid("identity.type", "identity type %q is not one of None, SystemAssigned, UserAssigned", text)
}

// SameID says whether two resource ids name the same resource.
func SameID(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}

// Key returns the form of an id under which documents are stored.
func Key(id string) string { return strings.ToLower(strings.TrimSuffix(id, "/")) }

// ParentID returns the id of the resource that id is a child of, by cutting
// the last type and name.
func ParentID(id string) string {
	for range 2 {
		cut := strings.LastIndexByte(id, '/')
		if cut < 0 {
			return ""
		}
		id = id[:cut]
	}
	return id
}

// within says whether id lies below the collection of parent, such as a
// vault's backupPolicies.
func within(id, parent, collection string) bool {
	prefix := Key(parent) + "/" + strings.ToLower(collection) + "/"
	rest, ok := strings.CutPrefix(Key(id), prefix)
	return ok && rest != "" && !strings.Contains(rest, "/")
}

func lastSegment(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// SameRegion compares regions as ARM does: "East US" is "eastus".
func SameRegion(a, b string) bool { return plainRegion(a) == plainRegion(b) }

func plainRegion(r string) string {
	return strings.ToLower(strings.ReplaceAll(r, " ", ""))
}

// SameLocation refuses to move a resource to another region.
func SameLocation(m, old Meta) *Problem {
	if SameRegion(m.Location, old.Location) {
		return nil
	}
	return NewProblem(CodeLocationFixed, "location", "%s exists in %s and cannot move to %s", old.Name(), old.Location, m.Location)
}
