package backup

import "time"

// Cluster is a Kubernetes cluster connected to the service.
type Cluster struct {
	Meta
	Identity Identity `json:"identity,omitzero"`
	// DNSPrefix and NodeGroup are echoed; the service does not use them.
	DNSPrefix string `json:"dnsPrefix,omitempty"`
	NodeGroup string `json:"nodeGroup,omitempty"`
	// UID is that of the namespace kube-system of the Kubernetes cluster that was
	// last to be connected, or is to be, as this one; empty where nobody told it.
	UID string `json:"uid,omitempty"`
}

// Connection is what the service knows of one program in a cluster: the
// connector, or the extension's agent. Its Meta.ID is the cluster's id and the
// role, see ConnectionID.
type Connection struct {
	Meta
	Role     string       `json:"role"` // connector or extension
	LastSeen time.Time    `json:"lastSeen,omitzero"`
	Facts    ClusterFacts `json:"facts,omitzero"`
	Health   *Health      `json:"health,omitempty"` // nil: not reported
	// Ended says why the program is turned away; nil while it may call.
	Ended *Problem `json:"ended,omitempty"`
}

// Roles of connections.
const (
	RoleConnector = "connector"
	RoleExtension = "extension"
)

// SilenceLimit is how long a program may be silent and still count as connected.
const SilenceLimit = 3 * time.Minute

// ConnectionID returns the id of a cluster's connection in a role.
func ConnectionID(clusterID, role string) string { return clusterID + "/connections/" + role }

// Alive says whether the program may call and was heard of lately.
func (c *Connection) Alive(now time.Time) bool {
	return c.Ended == nil && !c.LastSeen.IsZero() && now.Sub(c.LastSeen) <= SilenceLimit
}

// ClusterFacts is what a cluster tells of itself.
type ClusterFacts struct {
	KubernetesVersion string   `json:"kubernetesVersion,omitempty"`
	Nodes             int      `json:"nodes,omitempty"`
	Architectures     []string `json:"architectures,omitempty"`
	AgentVersion      string   `json:"agentVersion,omitempty"`
}

// Health says whether the extension can work, and why not.
type Health struct {
	Healthy  bool      `json:"healthy"`
	Problems []Problem `json:"problems,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Why is the first problem, as the end of a sentence; empty without any.
func (h *Health) Why() string {
	if len(h.Problems) == 0 {
		return ""
	}
	return because(&h.Problems[0])
}

// TrustedAccessBinding lets a vault act in a cluster.
type TrustedAccessBinding struct {
	Meta
	SourceID string   `json:"sourceId"` // the vault
	Roles    []string `json:"roles"`
}

// BackupOperatorRole is the one role a trusted access binding may give.
const BackupOperatorRole = "Microsoft.DataProtection/backupVaults/backup-operator"

// Check validates a binding.
func (b TrustedAccessBinding) Check() *Problem {
	if b.SourceID == "" {
		return Invalid("properties.sourceResourceId", "sourceResourceId of the vault is required")
	}
	if !isVaultID(b.SourceID) {
		return Invalid("properties.sourceResourceId", "%q is not the id of a backup vault", b.SourceID)
	}
	if len(b.Roles) == 0 {
		return Invalid("properties.roles", "at least one role is required")
	}
	for _, r := range b.Roles {
		if !equalFold(r, BackupOperatorRole) {
			return Invalid("properties.roles", "role %q is not known; the role is %s", r, BackupOperatorRole)
		}
	}
	return nil
}

// Grants says whether the binding lets the vault back up and restore.
func (b TrustedAccessBinding) Grants(vaultID string) bool {
	return SameID(b.SourceID, vaultID) && len(b.Roles) > 0 && b.State.Terminal() && b.State != StateFailed
}
