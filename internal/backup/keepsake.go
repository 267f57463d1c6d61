package backup

import (
	"encoding/json"
	"fmt"
)

// Keepsake is what every recovery point keeps of the catalog in its manifest, so
// that the catalog can be rebuilt from buckets and keys. It holds no secret.
type Keepsake struct {
	Version  int      `json:"version"`
	Vault    Vault    `json:"vault"`
	Policy   *Policy  `json:"policy,omitempty"` // nil when it was gone
	Instance Instance `json:"instance"`
	// UserIdentity is the one the vault acts by for the instance; nil when that is the
	// vault's own, and from versions that did not keep it.
	UserIdentity *UserIdentity `json:"userIdentity,omitempty"`

	JobID   string   `json:"jobId"`
	Tag     string   `json:"tag,omitempty"` // of the job
	Tagging *Tagging `json:"tagging,omitempty"`
	// ContainerID is the container of the operational tier.
	ContainerID string `json:"containerId,omitempty"`
}

// keepsakeVersion is the one that is written; readers know all below.
const keepsakeVersion = 1

// Encode writes the keepsake as text. What is only true for the moment is left
// out: versions, running operations and errors.
func (k Keepsake) Encode() (string, error) {
	k.Version = keepsakeVersion
	k.Instance.Error, k.Instance.OperationID = nil, ""
	text, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("keepsake of %s: %w", k.Instance.ID, err)
	}
	return string(text), nil
}

// ParseKeepsake reads what Encode wrote, and refuses what does not belong
// together.
func ParseKeepsake(text string) (Keepsake, error) {
	var k Keepsake
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return k, fmt.Errorf("keepsake: %w", err)
	}
	switch {
	case k.Version < 1 || k.Version > keepsakeVersion:
		return k, fmt.Errorf("keepsake is of version %d, this program knows %d", k.Version, keepsakeVersion)
	case k.Instance.UID == "" || !within(k.Instance.ID, k.Vault.ID, "backupInstances"):
		return k, fmt.Errorf("keepsake of instance %q and vault %q makes no sense", k.Instance.ID, k.Vault.ID)
	case k.UserIdentity != nil && !SameID(k.UserIdentity.ID, k.Instance.UserIdentityID):
		return k, fmt.Errorf("keepsake of identity %q and instance %q makes no sense", k.UserIdentity.ID, k.Instance.ID)
	case k.Policy != nil && !within(k.Policy.ID, k.Vault.ID, "backupPolicies"):
		return k, fmt.Errorf("keepsake of policy %q and vault %q makes no sense", k.Policy.ID, k.Vault.ID)
	}
	return k, nil
}
