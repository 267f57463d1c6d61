package v1

import "time"

// Problem is one error for people and programs: a stable code, what failed,
// and what to do about it. It never holds a secret.
//
// +kubebuilder:object:generate=true
type Problem struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Target  string   `json:"target,omitempty"` // the resource it is about
	Actions []string `json:"actions,omitempty"`
	// Retryable says whether the same request may succeed later unchanged.
	Retryable bool `json:"retryable,omitempty"`
}

// Error makes a Problem an error, so that its code survives wrapping.
func (p *Problem) Error() string { return p.Code + ": " + p.Message }

// Warning is something that was not protected or not restored, with the reason.
//
// +kubebuilder:object:generate=true
type Warning struct {
	Resource string  `json:"resource"` // "group/Kind namespace/name" or a namespace
	Problem  Problem `json:"problem"`
}

// Progress is what a running operation has done so far. Zero totals mean that
// the total is not known yet.
//
// +kubebuilder:object:generate=true
type Progress struct {
	Phase      string `json:"phase,omitempty"` // one word a person can read
	ItemsDone  int64  `json:"itemsDone,omitempty"`
	ItemsTotal int64  `json:"itemsTotal,omitempty"`
	BytesDone  int64  `json:"bytesDone,omitempty"`
	BytesTotal int64  `json:"bytesTotal,omitempty"`
	// Percent is how far the whole operation is, at most 99; 0 means that this is not
	// known.
	Percent int64 `json:"percent,omitempty"`
}

// StorageLocation is the backup storage location: one container of objects.
//
// +kubebuilder:object:generate=true
type StorageLocation struct {
	// URL is file:///absolute/folder (a directory store),
	// https://account.host/container (Azure Blob; http for an emulator),
	// s3://bucket/prefix or gs://bucket/prefix (with the parameters endpoint
	// and, for s3, region).
	URL string `json:"url"`
	// Account and Key authenticate: a shared key (Azure Blob), an access key
	// (S3), or a service account's JSON key alone; empty for a directory.
	Account string `json:"account,omitempty"`
	Key     string `json:"key,omitempty"`
}

// RepositoryGrant gives access to one repository inside a storage location for
// the time of one operation. Key must stay in memory or in a Secret that is
// deleted with the operation.
//
// +kubebuilder:object:generate=true
type RepositoryGrant struct {
	Prefix string `json:"prefix"`        // object name prefix, ends with "/"
	Key    []byte `json:"key,omitempty"` // 32 bytes, the repository's data key; never in a custom resource
	// Gate is set when the repository is reached through the service's gate, and
	// not at the storage location; the gate has applied Prefix. Never in a custom
	// resource.
	Gate *GateGrant `json:"gate,omitempty"`
}

// InstallExtension is the spec of KindInstallExtension.
type InstallExtension struct {
	Name          string          `json:"name"`          // extension resource name
	ExtensionType string          `json:"extensionType"` // Microsoft.DataProtection.Kubernetes
	Version       string          `json:"version,omitempty"`
	Token         string          `json:"token"`        // one-time enrolment token for the extension's agent
	AgentAddress  string          `json:"agentAddress"` // https://host:port the extension's agent calls
	ServiceCA     string          `json:"serviceCa"`    // PEM to trust it by
	Location      StorageLocation `json:"location"`
	// Settings are the configuration settings under their long names, such as
	// resources.limits.memory.
	Settings map[string]string `json:"settings,omitempty"`
}

// DeleteExtension is the spec of KindDeleteExtension.
type DeleteExtension struct {
	Name  string `json:"name"`
	Force bool   `json:"force,omitempty"`
}

// ExtensionResult is the result of KindInstallExtension.
type ExtensionResult struct {
	Version  string   `json:"version"`
	Statuses []Health `json:"statuses,omitempty"`
}

// Selection says which objects of a cluster, or of a recovery point, are meant.
//
// +kubebuilder:object:generate=true
type Selection struct {
	// IncludedNamespaces empty means all, also future ones; ExcludedNamespaces
	// wins. kube-system, kube-public, kube-node-lease and the extension's own
	// namespace are never included.
	IncludedNamespaces []string `json:"includedNamespaces,omitempty"`
	ExcludedNamespaces []string `json:"excludedNamespaces,omitempty"`
	// Resource types are written "v1/Secret", "apps/v1/Deployment", "Secret",
	// "secrets" or "deployments.apps"; versions are ignored.
	IncludedResourceTypes []string `json:"includedResourceTypes,omitempty"`
	ExcludedResourceTypes []string `json:"excludedResourceTypes,omitempty"`
	// LabelSelectors are combined with AND; each is "key=value", "key!=value"
	// or "key:value".
	LabelSelectors               []string `json:"labelSelectors,omitempty"`
	IncludeClusterScopeResources bool     `json:"includeClusterScopeResources,omitempty"`
}

// Backup is the spec of KindBackup and KindValidateBackup.
//
// +kubebuilder:object:generate=true
type Backup struct {
	InstanceID      string          `json:"instanceId"`
	RecoveryPointID string          `json:"recoveryPointId"` // 32 hex digits, chosen by the service
	Selection       Selection       `json:"selection"`
	SnapshotVolumes bool            `json:"snapshotVolumes"`
	Repository      RepositoryGrant `json:"repository"`
	// Keep is put into the manifest as the fact FactKept, as it is; the cluster
	// makes nothing of it.
	Keep string `json:"keep,omitempty"`
}

// FactKept is the fact of a manifest that holds what the service wanted kept.
const FactKept = "service"

// VolumeState says whether a volume is protected by a recovery point.
type VolumeState string

// Volume states. A skipped volume has a reason code.
const (
	VolumeProtected VolumeState = "Protected"
	VolumeSkipped   VolumeState = "Skipped"
)

// Volume is one persistent volume claim in a recovery point.
type Volume struct {
	Namespace      string      `json:"namespace"`
	Claim          string      `json:"claim"`
	State          VolumeState `json:"state"`
	ReasonCode     string      `json:"reasonCode,omitempty"` // when Skipped
	Reason         string      `json:"reason,omitempty"`
	Driver         string      `json:"driver,omitempty"`
	SnapshotHandle string      `json:"snapshotHandle,omitempty"`
	SnapshotClass  string      `json:"snapshotClass,omitempty"` // the VolumeSnapshotClass it was taken with
	StorageClass   string      `json:"storageClass,omitempty"`
	VolumeMode     string      `json:"volumeMode,omitempty"` // Filesystem or Block
	FSType         string      `json:"fsType,omitempty"`
	SizeBytes      int64       `json:"sizeBytes,omitempty"` // size of the source volume
	// VolumeHandle is the driver's name of the source volume: two snapshots
	// with the same one are of the same volume.
	VolumeHandle string `json:"volumeHandle,omitempty"`
	ClaimUID     string `json:"claimUid,omitempty"` // of the source claim
	// Stream names the stream that holds the volume's data, in a repository that
	// has the data itself and not a snapshot's handle only.
	Stream string `json:"stream,omitempty"`
	// RestoreSizeBytes is the least size of a volume made from the snapshot.
	RestoreSizeBytes int64 `json:"restoreSizeBytes,omitempty"`
	// CutAt is when the snapshot was taken.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	CutAt time.Time `json:"cutAt,omitzero"`
}

// BackupResult is the result of KindBackup and of KindVault.
type BackupResult struct {
	RecoveryPointID string `json:"recoveryPointId"`
	// CutAt is the moment the recovery point stands for.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	CutAt       time.Time `json:"cutAt"`
	Objects     int64     `json:"objects"`
	BytesStored int64     `json:"bytesStored"`
	// Root is the manifest's root over all streams, as hex: whoever knows it can
	// tell later whether the recovery point is still the same.
	Root       string   `json:"root,omitempty"`
	Namespaces []string `json:"namespaces"`
	Volumes    []Volume `json:"volumes,omitempty"`
}

// ConflictPolicy says what a restore does with an object that exists already.
type ConflictPolicy string

// Skip leaves it untouched; Patch sets its mutable fields to the backed-up values.
const (
	ConflictSkip  ConflictPolicy = "Skip"
	ConflictPatch ConflictPolicy = "Patch"
)

// Restore is the spec of KindRestore and KindValidateRestore.
//
// +kubebuilder:object:generate=true
type Restore struct {
	InstanceID        string            `json:"instanceId"` // the source
	RecoveryPointID   string            `json:"recoveryPointId"`
	Selection         Selection         `json:"selection"`
	NamespaceMappings map[string]string `json:"namespaceMappings,omitempty"`
	ConflictPolicy    ConflictPolicy    `json:"conflictPolicy"`
	// RestoreVolumeData false restores claims empty.
	RestoreVolumeData bool            `json:"restoreVolumeData"`
	Repository        RepositoryGrant `json:"repository"`
	// Location is set when the recovery point lies in another storage location
	// than the extension's own.
	Location *StorageLocation `json:"location,omitempty"`
}

// ItemAction says what a restore did with one object.
type ItemAction string

// Item actions.
const (
	ItemCreated   ItemAction = "Created"
	ItemPatched   ItemAction = "Patched"
	ItemUnchanged ItemAction = "Unchanged"
	ItemSkipped   ItemAction = "Skipped"
	ItemFailed    ItemAction = "Failed"
)

// Item is the result line of one object.
//
// +kubebuilder:object:generate=true
type Item struct {
	Resource  string     `json:"resource"` // "apps/Deployment"
	Namespace string     `json:"namespace,omitempty"`
	Name      string     `json:"name"`
	Action    ItemAction `json:"action"`
	Code      string     `json:"code,omitempty"`
	Reason    string     `json:"reason,omitempty"`
}

// RestoreResult is the result of KindRestore and, as a plan, of KindValidateRestore.
//
// +kubebuilder:object:generate=true
type RestoreResult struct {
	Created   int64 `json:"created"`
	Patched   int64 `json:"patched"`
	Unchanged int64 `json:"unchanged"`
	Skipped   int64 `json:"skipped"`
	Failed    int64 `json:"failed"`
	Volumes   int64 `json:"volumes"` // restored with data
	// Items lists what was not simply created, at most 1,000 lines; Omitted
	// counts the rest.
	Items   []Item `json:"items,omitempty"`
	Omitted int64  `json:"omitted,omitempty"`
}

// Vault is the spec of KindVault: a recovery point of the operational tier is
// copied into the vault, the data of its volumes read from their snapshots.
//
// +kubebuilder:object:generate=true
type Vault struct {
	InstanceID      string `json:"instanceId"`
	RecoveryPointID string `json:"recoveryPointId"` // in both repositories
	// Base is a recovery point in the vault; what did not change since is not
	// read again where that can be proved. Empty, or gone: everything is read.
	Base   string          `json:"base,omitempty"`
	Source RepositoryGrant `json:"source"` // the operational repository
	// Location is set when the source lies in another storage location than the
	// extension's own.
	Location *StorageLocation `json:"location,omitempty"`
	Target   RepositoryGrant  `json:"target"` // the vault's repository, through the gate
	Limits   VaultLimits      `json:"limits"`
}

// VaultLimits bound the copying of one recovery point; 0 means no limit.
//
// +kubebuilder:object:generate=true
type VaultLimits struct {
	// A larger volume, or one more than Volumes, is left out of the vault with
	// a reason code.
	VolumeBytes int64 `json:"volumeBytes,omitempty"`
	Volumes     int   `json:"volumes,omitempty"`
	// BytesPerSecond bounds what each mover sends.
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
}

// DeleteRecoveryPoint is the spec of KindDeleteRecoveryPoint: its snapshots,
// then its manifest.
//
// +kubebuilder:object:generate=true
type DeleteRecoveryPoint struct {
	InstanceID      string `json:"instanceId"`
	RecoveryPointID string `json:"recoveryPointId"`
	// Void also makes sure that a recovery point that does not exist never will,
	// whatever a backup that was given up still does.
	Void       bool            `json:"void,omitempty"`
	Repository RepositoryGrant `json:"repository"`
	// Location is set when the recovery point lies in another storage location
	// than the extension's own.
	Location *StorageLocation `json:"location,omitempty"`
}
