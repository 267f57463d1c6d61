package backup

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/resourceid"
)

// Instance is one protected selection of one cluster. Its vault is the parent
// in its id.
type Instance struct {
	Meta
	// UID never changes and is never used again; it names the repository.
	UID           string      `json:"uid"` // 32 hex digits
	FriendlyName  string      `json:"friendlyName,omitempty"`
	Datasource    Datasource  `json:"datasource"`
	DatasourceSet *Datasource `json:"datasourceSet,omitempty"`
	PolicyID      string      `json:"policyId"`
	// PolicyVersion is echoed; empty in practice.
	PolicyVersion string `json:"policyVersion,omitempty"`
	// SnapshotGroupID is the resource group of volume snapshots; it never changes.
	SnapshotGroupID string           `json:"snapshotGroupId"`
	Parameters      BackupParameters `json:"parameters"`
	// UserIdentityID, when set, is used instead of the vault's system identity.
	UserIdentityID string          `json:"userIdentityId,omitempty"`
	ValidationType string          `json:"validationType,omitempty"`
	Protection     ProtectionState `json:"protection"`
	Error          *Problem        `json:"error,omitempty"` // why protection failed
	// OperationID is the last operation that changed the instance; it is
	// running while State is not terminal.
	OperationID string `json:"operationId,omitempty"`
	// Deletion is set while the instance is being deleted.
	Deletion *Deletion `json:"deletion,omitempty"`
}

// Datasource names what is protected. Its texts are kept as they were sent.
type Datasource struct {
	ID           string `json:"id"`
	URI          string `json:"uri,omitempty"`
	Type         string `json:"type,omitempty"`
	ResourceName string `json:"resourceName,omitempty"`
	ResourceType string `json:"resourceType,omitempty"`
	Location     string `json:"location,omitempty"`
	ObjectType   string `json:"objectType,omitempty"`
}

// BackupParameters says what of the cluster is backed up.
type BackupParameters struct {
	Selection
	SnapshotVolumes bool      `json:"snapshotVolumes"`
	VolumeTypes     []string  `json:"volumeTypes"`
	Hooks           []HookRef `json:"hooks"`
}

// Selection says which objects of a cluster, or of a recovery point, are meant.
// Empty namespaces mean all; exclusion wins; selectors are combined with AND.
type Selection struct {
	IncludedNamespaces    []string `json:"includedNamespaces"`
	ExcludedNamespaces    []string `json:"excludedNamespaces"`
	IncludedResourceTypes []string `json:"includedResourceTypes"`
	ExcludedResourceTypes []string `json:"excludedResourceTypes"`
	LabelSelectors        []string `json:"labelSelectors"`
	ClusterScoped         bool     `json:"clusterScoped"`
}

// HookRef names a hook resource in the cluster.
type HookRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// VaultID returns the id of the vault the instance lies in.
func (i *Instance) VaultID() string { return ParentID(i.ID) }

// MaxNamespaces is how many namespaces an instance may name.
const MaxNamespaces = 800

// Check validates an instance by itself; CheckAmong looks at its neighbours.
func (i *Instance) Check() *Problem {
	switch {
	case i.Datasource.ID == "":
		return Invalid("properties.dataSourceInfo.resourceID", "resourceID of the cluster is required")
	case !isClusterID(i.Datasource.ID):
		return Invalid("properties.dataSourceInfo.resourceID", "%q is not the id of a managed cluster", i.Datasource.ID)
	case !equalFold(i.Datasource.Type, DatasourceAKS):
		return Invalid("properties.dataSourceInfo.datasourceType", "datasourceType must be %s, not %q", DatasourceAKS, i.Datasource.Type)
	case i.PolicyID == "":
		return Invalid("properties.policyInfo.policyId", "policyId is required")
	case !within(i.PolicyID, i.VaultID(), "backupPolicies"):
		return Invalid("properties.policyInfo.policyId", "policy %s is not a policy of the vault %s", i.PolicyID, i.VaultID())
	case i.SnapshotGroupID == "":
		return Invalid("properties.policyInfo.policyParameters.dataStoreParametersList", "the snapshot resource group is required: give resourceGroupId in AzureOperationalStoreParameters")
	case !isGroupID(i.SnapshotGroupID):
		return Invalid("properties.policyInfo.policyParameters.dataStoreParametersList", "%q is not the id of a resource group", i.SnapshotGroupID)
	default:
		return i.Parameters.check()
	}
}

func (b BackupParameters) check() *Problem {
	const target = "properties.policyInfo.policyParameters.backupDatasourceParametersList"
	if n := len(b.IncludedNamespaces); n > MaxNamespaces {
		return Invalid(target, "an instance may name at most %d namespaces, not %d", MaxNamespaces, n)
	}
	for _, v := range b.VolumeTypes {
		if v != "AzureDisk" && v != "AzureFileShareSMB" {
			return Invalid(target, "volume type %q is not AzureDisk or AzureFileShareSMB", v)
		}
	}
	if p := checkHooks(b.Hooks, target); p != nil {
		return p
	}
	return b.Selection.check(target)
}

func checkHooks(hooks []HookRef, target string) *Problem {
	for _, h := range hooks {
		if h.Name == "" || h.Namespace == "" {
			return Invalid(target, "a hook reference needs a name and a namespace")
		}
	}
	return nil
}

func (s Selection) check(target string) *Problem {
	for _, list := range [][]string{s.IncludedNamespaces, s.ExcludedNamespaces, s.IncludedResourceTypes, s.ExcludedResourceTypes, s.LabelSelectors} {
		if slices.Contains(list, "") {
			return Invalid(target, "a namespace, resource type or label selector is empty")
		}
	}
	for _, l := range s.LabelSelectors {
		if !strings.ContainsAny(l, "=:") {
			return Invalid(target, "label selector %q must be written key=value", l)
		}
	}
	return nil
}

// CheckAmong validates i against the other instances of its vault: a cluster
// is protected once with one policy. An instance whose configuration failed
// protects nothing and is in nobody's way.
func (i *Instance) CheckAmong(others []Instance) *Problem {
	for _, o := range others {
		if SameID(o.ID, i.ID) || o.Protection == ConfiguringFailed {
			continue
		}
		if SameID(o.Datasource.ID, i.Datasource.ID) && SameID(o.PolicyID, i.PolicyID) {
			return NewProblem(CodeDuplicateInstance, i.Datasource.ID, "cluster %s is protected with policy %s by instance %s already",
				i.Datasource.ID, lastSegment(i.PolicyID), o.Name())
		}
	}
	return nil
}

// CheckChange validates the step from old to i.
func (i *Instance) CheckChange(old *Instance) *Problem {
	if !SameID(i.Datasource.ID, old.Datasource.ID) {
		return Invalid("properties.dataSourceInfo.resourceID", "the instance protects %s and cannot move to %s", old.Datasource.ID, i.Datasource.ID)
	}
	if !SameID(i.SnapshotGroupID, old.SnapshotGroupID) {
		return NewProblem(CodeSnapshotGroupImmutable, "properties.policyInfo.policyParameters.dataStoreParametersList",
			"the snapshot resource group is %s and cannot be changed", old.SnapshotGroupID)
	}
	return nil
}

func isClusterID(id string) bool { return hasType(id, DatasourceAKS) }

func isVaultID(id string) bool { return hasType(id, "Microsoft.DataProtection/backupVaults") }

func isGroupID(id string) bool { return hasType(id, resourceid.TypeResourceGroup) }

func isAccountID(id string) bool { return hasType(id, "Microsoft.Storage/storageAccounts") }

func hasType(id, name string) bool {
	parsed, err := resourceid.Parse(id)
	return err == nil && parsed.HasType(name)
}

// Adopt takes over from old what a client does not send. old may be nil.
func (i *Instance) Adopt(old *Instance) {
	if old == nil {
		return
	}
	i.UID, i.Protection, i.Error = old.UID, old.Protection, old.Error
	i.State, i.OperationID, i.Deletion = old.State, old.OperationID, old.Deletion
}

// SameAs says whether i asks for what old already is.
func (i *Instance) SameAs(old *Instance) bool {
	a, b := *i, *old
	a.Meta, b.Meta = Meta{}, Meta{}
	return maps.Equal(i.Tags, old.Tags) && reflect.DeepEqual(a, b)
}

// NeedsConfiguring says whether the last attempt to configure protection failed.
func (i *Instance) NeedsConfiguring() bool {
	return i.Protection == ConfiguringFailed || i.Protection == ProtectionError
}

// Busy refuses to do something while an operation changes the instance.
func (i *Instance) Busy(what string) *Problem { return i.refuse(what) }
