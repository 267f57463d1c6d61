package backup

import (
	"maps"
	"reflect"
	"strings"
)

// ExtensionType is the one extension type there is; any case is accepted.
const ExtensionType = "Microsoft.DataProtection.Kubernetes"

// Extension is the declared set of programs that carries out backups in a cluster.
type Extension struct {
	Meta
	Type             string `json:"type"` // as it was sent
	AutoUpgradeMinor *bool  `json:"autoUpgradeMinor,omitempty"`
	ReleaseTrain     string `json:"releaseTrain,omitempty"`
	Version          string `json:"version,omitempty"`        // asked for
	CurrentVersion   string `json:"currentVersion,omitempty"` // installed
	// Scope is echoed; the extension always runs in its own namespace. Nil when
	// it was not sent.
	Scope *ExtensionScope `json:"scope,omitempty"`
	// Settings are kept under the names they were sent with.
	Settings map[string]string `json:"settings"`
	// Protected settings are write-only, each sealed for its SettingOwner.
	Protected map[string]Sealed `json:"protected,omitempty"`
	Identity  Identity          `json:"identity,omitzero"` // as declared
	// ClusterPrincipal is the identity the extension accesses storage with.
	ClusterPrincipal string            `json:"clusterPrincipal"`
	Statuses         []ExtensionStatus `json:"statuses,omitempty"`
	Problem          *Problem          `json:"problem,omitempty"` // when failed
	// OperationID is the last operation that changed the extension.
	OperationID string `json:"operationId,omitempty"`
}

// ExtensionScope is the scope of an extension for a whole cluster.
type ExtensionScope struct {
	ReleaseNamespace string `json:"releaseNamespace,omitempty"`
}

// ExtensionStatus is one line about the extension for people.
type ExtensionStatus struct {
	Code    string `json:"code"`
	Level   string `json:"level"` // Error, Warning, Information
	Message string `json:"message"`
	Time    string `json:"time,omitempty"` // RFC 3339
}

// Long names of the settings.
const (
	SettingContainer     = "configuration.backupStorageLocation.bucket"
	SettingAccount       = "configuration.backupStorageLocation.config.storageAccount"
	SettingAccountGroup  = "configuration.backupStorageLocation.config.resourceGroup"
	SettingAccountSub    = "configuration.backupStorageLocation.config.subscriptionId"
	SettingUseAAD        = "configuration.backupStorageLocation.config.useAAD"
	SettingAccountURI    = "configuration.backupStorageLocation.config.storageAccountURI"
	SettingCPULimit      = "resources.limits.cpu"
	SettingMemoryLimit   = "resources.limits.memory"
	SettingCPURequest    = "resources.requests.cpu"
	SettingMemoryRequest = "resources.requests.memory"
)

// shortSettings maps the names the command line uses to the long ones.
var shortSettings = map[string]string{
	"blobcontainer":                SettingContainer,
	"storageaccount":               SettingAccount,
	"storageaccountresourcegroup":  SettingAccountGroup,
	"storageaccountsubscriptionid": SettingAccountSub,
	"useaad":                       SettingUseAAD,
	"storageaccounturi":            SettingAccountURI,
	"cpulimit":                     SettingCPULimit,
	"memorylimit":                  SettingMemoryLimit,
}

// LongSettings returns the settings under their long names.
func (e *Extension) LongSettings() map[string]string {
	long := make(map[string]string, len(e.Settings))
	for k, v := range e.Settings {
		long[longName(k)] = v
	}
	return long
}

func longName(key string) string {
	if name, ok := shortSettings[strings.ToLower(key)]; ok {
		return name
	}
	for _, name := range shortSettings {
		if equalFold(name, key) {
			return name
		}
	}
	return key
}

// MergeSettings returns base with changes put over it; a change replaces the
// setting of the same meaning under whichever name it stands there.
func MergeSettings(base, changes map[string]string) map[string]string {
	merged := maps.Clone(base)
	if merged == nil {
		merged = map[string]string{}
	}
	for name, value := range changes {
		for have := range merged {
			if longName(have) == longName(name) {
				delete(merged, have)
			}
		}
		merged[name] = value
	}
	return merged
}

// Adopt takes over from old what a client does not send. old may be nil.
func (e *Extension) Adopt(old *Extension) {
	if old == nil {
		return
	}
	e.CurrentVersion, e.ClusterPrincipal = old.CurrentVersion, old.ClusterPrincipal
	e.Statuses, e.Problem = old.Statuses, old.Problem
	e.State, e.OperationID = old.State, old.OperationID
	if e.Identity.HasSystem() && old.Identity.HasSystem() {
		e.Identity.PrincipalID = old.Identity.PrincipalID
	}
}

// SameAs says whether e declares what old already is.
func (e *Extension) SameAs(old *Extension) bool {
	a, b := *e, *old
	a.Meta, b.Meta = Meta{}, Meta{}
	return maps.Equal(e.Tags, old.Tags) && reflect.DeepEqual(a, b)
}

// Busy refuses to do something while an operation changes the extension.
func (e *Extension) Busy(what string) *Problem {
	return NewProblem(CodeInvalidTransition, e.ID, "cannot %s while extension %s is %s", what, e.Name(), strings.ToLower(string(e.State))).
		advise("Wait for the running operation to end; the statuses of the extension say what it waits for (holdfast k8s-extension show).")
}

// SettingOwner is what the protected setting of that name is bound to.
func (e *Extension) SettingOwner(name string) string { return Key(e.ID) + " " + name }

// ClusterID returns the id of the cluster the extension is declared on.
func (e *Extension) ClusterID() string {
	id, _, _ := cutFold(e.ID, "/providers/Microsoft.KubernetesConfiguration/")
	return id
}

// ContainerID returns the id of the container that the settings name, or a
// problem when they are not complete.
func (e *Extension) ContainerID() (string, *Problem) {
	s := e.LongSettings()
	for _, key := range []string{SettingAccountSub, SettingAccountGroup, SettingAccount, SettingContainer} {
		if s[key] == "" {
			return "", NewProblem(CodeNoDefaultLocation, "properties.configurationSettings", "setting %s is missing", key)
		}
	}
	account := "/subscriptions/" + s[SettingAccountSub] + "/resourceGroups/" + s[SettingAccountGroup] +
		"/providers/Microsoft.Storage/storageAccounts/" + s[SettingAccount]
	return ContainerID(account, s[SettingContainer]), nil
}

// Check validates an extension by itself.
func (e *Extension) Check() *Problem {
	if e.Type == "" {
		return Invalid("properties.extensionType", "extensionType is required")
	}
	if !equalFold(e.Type, ExtensionType) {
		return Invalid("properties.extensionType", "extension type %q is not known; it is %s", e.Type, ExtensionType)
	}
	_, p := e.ContainerID()
	return p
}

// cutFold is strings.Cut without regard to case; sep is ASCII.
func cutFold(s, sep string) (before, after string, found bool) {
	if i := strings.Index(strings.ToLower(s), strings.ToLower(sep)); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
