package v1

// Cluster is a Microsoft.ContainerService/managedClusters document: a
// connected cluster.
type Cluster struct {
	Resource
	Properties *ClusterProperties `json:"properties,omitempty"`
}

// ClusterProperties are the properties of a cluster. What the service sets
// stands last.
type ClusterProperties struct {
	DNSPrefix         string `json:"dnsPrefix,omitempty"`
	NodeResourceGroup string `json:"nodeResourceGroup,omitempty"`

	ProvisioningState        string      `json:"provisioningState,omitempty"`
	PowerState               *PowerState `json:"powerState,omitempty"` // Running when connected, else Stopped
	KubernetesVersion        string      `json:"kubernetesVersion,omitempty"`
	CurrentKubernetesVersion string      `json:"currentKubernetesVersion,omitempty"`
	// HoldfastConnection is our own.
	HoldfastConnection *ClusterConnection `json:"holdfastConnection,omitempty"`
}

// PowerState is Running or Stopped.
type PowerState struct {
	Code string `json:"code"`
}

// ClusterConnection says whether the programs in the cluster are heard of.
type ClusterConnection struct {
	// State is NeverConnected, Connected or Disconnected.
	State string `json:"state"`
	// Reason says why the cluster's programs are turned away: somebody
	// disconnected it, or connected it under another name.
	Reason *ErrorBody `json:"reason,omitempty"`
	// ClusterUID is the uid of the cluster's namespace kube-system.
	ClusterUID    string   `json:"clusterUid,omitempty"`
	LastSeen      string   `json:"lastSeen,omitempty"`
	AgentVersion  string   `json:"agentVersion,omitempty"`
	Nodes         int      `json:"nodes,omitempty"`
	Architectures []string `json:"architectures,omitempty"`
	// ExtensionState is the same of the extension's agent.
	ExtensionState    string `json:"extensionState"`
	ExtensionLastSeen string `json:"extensionLastSeen,omitempty"`
}

// ConnectTokenRequest is the body of POST {cluster}/createConnectToken; it may be
// left out. A cluster that is connected under another name, or a name that stands
// for another connected cluster, is refused unless TakeOver.
type ConnectTokenRequest struct {
	// ClusterUID is the uid of the namespace kube-system, by which the service
	// recognises the cluster.
	ClusterUID string `json:"clusterUid,omitempty"`
	TakeOver   bool   `json:"takeOver,omitempty"`
}

// DisconnectRequest is the body of POST {cluster}/disconnect; it may be left out.
type DisconnectRequest struct {
	// ClusterUID, when given, has the request refused for any other cluster.
	ClusterUID string `json:"clusterUid,omitempty"`
}

// ConnectToken answers POST {cluster}/createConnectToken: what the connector
// needs to enrol. The token works once.
type ConnectToken struct {
	Token        string `json:"token"`
	ExpiresAt    string `json:"expiresAt"`
	ClusterID    string `json:"clusterId"`
	AgentAddress string `json:"agentAddress"` // https://host:port
	ServiceCA    string `json:"serviceCa"`    // PEM
}

// TrustedAccessBinding is a managedClusters/trustedAccessRoleBindings document.
type TrustedAccessBinding struct {
	Resource
	Properties *TrustedAccessProperties `json:"properties,omitempty"`
}

// TrustedAccessProperties name the vault and its roles in the cluster.
type TrustedAccessProperties struct {
	SourceResourceID  string   `json:"sourceResourceId"`
	Roles             []string `json:"roles"`
	ProvisioningState string   `json:"provisioningState,omitempty"`
}

// TrustedAccessRole is one role that bindings may give.
type TrustedAccessRole struct {
	Name               string              `json:"name"`
	SourceResourceType string              `json:"sourceResourceType"`
	Rules              []TrustedAccessRule `json:"rules"`
}

// TrustedAccessRule is a rule of the cluster's own access control.
type TrustedAccessRule struct {
	APIGroups       []string `json:"apiGroups"`
	Resources       []string `json:"resources"`
	Verbs           []string `json:"verbs"`
	ResourceNames   []string `json:"resourceNames"`
	NonResourceURLs []string `json:"nonResourceURLs"`
}
