package backup

import (
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
	// ReleaseNamespace and TargetNamespace are echoed; the extension always
	// runs in its own namespace.
	ReleaseNamespace string `json:"releaseNamespace,omitempty"`
	TargetNamespace  string `json:"targetNamespace,omitempty"`
	// Settings are kept under the names they were sent with.
	Settings map[string]string `json:"settings"`
	// Protected settings are write-only.
	Protected map[string]string `json:"protected,omitempty"`
	Identity  Identity          `json:"identity,omitzero"` // as declared
	// ClusterPrincipal is the identity the extension accesses storage with.
	ClusterPrincipal string            `json:"clusterPrincipal"`
	Statuses         []ExtensionStatus `json:"statuses,omitempty"`
	Problem          *Problem          `json:"problem,omitempty"` // when failed
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
