// Package v1 holds the wire types of the protocol between the service and the
// programs in a protected cluster. The cluster side always calls out: it
// enrols once with a one-time token, then claims operations, extends their
// lease while it works, and finishes them. See spec/agent-protocol.md.
//
// Fields that are not known are ignored by both sides; an ability the other
// side lacks is refused with a readable Problem.
package v1

import (
	"encoding/json"
	"time"
)

// Capability is the protocol version a side speaks.
//
//	1: install, validate, backup, restore, vault, delete recovery point.
const Capability = 1

// Paths of the protocol, relative to the service's agent address.
const (
	PathEnrol  = "/agent/v1/enrol"
	PathRenew  = "/agent/v1/renew"
	PathClaim  = "/agent/v1/claim"
	PathExtend = "/agent/v1/operations/{id}/extend"
	PathFinish = "/agent/v1/operations/{id}/finish"
)

// Role says which of the two clients in a cluster a certificate belongs to.
type Role string

// The connector installs extensions; the extension carries out backups and
// restores. Each may claim only operations addressed to its role.
const (
	RoleConnector Role = "connector"
	RoleExtension Role = "extension"
)

// EnrolRequest exchanges a one-time token for a client certificate.
type EnrolRequest struct {
	Token      string       `json:"token"`
	CSR        string       `json:"csr"` // PEM, the key never leaves the cluster
	Capability int          `json:"capability"`
	Facts      ClusterFacts `json:"facts"`
}

// RenewRequest asks for the next certificate; it is sent with the current one.
type RenewRequest struct {
	CSR string `json:"csr"`
}

// EnrolResponse carries the issued certificate; it also answers a RenewRequest.
type EnrolResponse struct {
	Certificate string    `json:"certificate"` // PEM chain
	CA          string    `json:"ca"`          // PEM, what to trust the service by
	ClusterID   string    `json:"clusterId"`   // full ARM id of the connected cluster
	Role        Role      `json:"role"`
	RenewAfter  time.Time `json:"renewAfter"`
}

// ClusterFacts is what a cluster tells of itself; shown on the cluster resource
// and used by preflight checks.
type ClusterFacts struct {
	KubernetesVersion string   `json:"kubernetesVersion,omitempty"`
	Nodes             int      `json:"nodes,omitempty"`
	Architectures     []string `json:"architectures,omitempty"`
	AgentVersion      string   `json:"agentVersion,omitempty"`
}

// ClaimRequest is a long poll for one operation.
type ClaimRequest struct {
	Capability  int          `json:"capability"`
	WaitSeconds int          `json:"waitSeconds"` // 0 to 55
	Facts       ClusterFacts `json:"facts"`
	// Health is the claimer's own view of the extension; nil when it has none.
	Health *Health `json:"health,omitempty"`
}

// Health reports whether the extension can work, and why not.
//
// +kubebuilder:object:generate=true
type Health struct {
	Healthy  bool      `json:"healthy"`
	Problems []Problem `json:"problems,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Kind names what an operation does.
type Kind string

// Operation kinds. The first two are for the connector, the rest for the
// extension.
const (
	KindInstallExtension    Kind = "InstallExtension" // also upgrades and reconfigures
	KindDeleteExtension     Kind = "DeleteExtension"
	KindValidateBackup      Kind = "ValidateBackup"
	KindBackup              Kind = "Backup"
	KindValidateRestore     Kind = "ValidateRestore"
	KindRestore             Kind = "Restore"
	KindDeleteRecoveryPoint Kind = "DeleteRecoveryPoint"
	KindVault               Kind = "Vault"
)

// Operation is one claimed piece of work: what to do, never how.
type Operation struct {
	ID       string    `json:"id"` // stable over re-deliveries; names of helper objects derive from it
	Kind     Kind      `json:"kind"`
	Lease    Lease     `json:"lease"`
	Deadline time.Time `json:"deadline"` // after it the service gives the operation up
	// Spec is InstallExtension, DeleteExtension, Backup, Restore, Vault or
	// DeleteRecoveryPoint; the validations carry the spec of what they validate.
	Spec json.RawMessage `json:"spec"`
}

// Lease is the right to work on an operation until it runs out.
type Lease struct {
	Token   string `json:"token"`
	Seconds int    `json:"seconds"`
}

// ExtendRequest renews a lease and reports progress.
type ExtendRequest struct {
	LeaseToken string    `json:"leaseToken"`
	Progress   *Progress `json:"progress,omitempty"`
	// Health is what an InstallExtension waits for, as far as the connector can see.
	Health *Health `json:"health,omitempty"`
}

// ExtendResponse answers an ExtendRequest. HTTP 409 with code LeaseLost means
// that another worker holds the operation: stop working on it.
type ExtendResponse struct {
	LeaseSeconds    int  `json:"leaseSeconds"`
	CancelRequested bool `json:"cancelRequested"`
}

// Outcome is how an operation ended.
type Outcome string

// Outcomes. Warnings do not change the outcome Succeeded.
const (
	OutcomeSucceeded Outcome = "Succeeded"
	OutcomeFailed    Outcome = "Failed"
	OutcomeCancelled Outcome = "Cancelled"
)

// FinishRequest ends an operation. Repeating it is harmless.
type FinishRequest struct {
	LeaseToken string          `json:"leaseToken"`
	Outcome    Outcome         `json:"outcome"`
	Problem    *Problem        `json:"problem,omitempty"`  // when Failed
	Warnings   []Warning       `json:"warnings,omitempty"` // at most 1,000; the rest is counted in the last one
	Result     json.RawMessage `json:"result,omitempty"`   // BackupResult (also of a Vault), RestoreResult or ExtensionResult
}

// ErrorResponse is the body of every answer that is not 2xx.
type ErrorResponse struct {
	Error Problem `json:"error"`
}
