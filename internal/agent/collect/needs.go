package collect

import "strings"

// needs gathers which cluster-scoped objects the collected objects cannot do
// without: volumes and classes of claims, definitions of custom resources, and
// the cluster roles of the selection's service accounts.
type needs struct {
	names map[string]bool // "Kind/name"
}

func newNeeds() *needs { return &needs{names: map[string]bool{}} }

func (n *needs) add(kind, name string) {
	if name != "" {
		n.names[kind+"/"+name] = true
	}
}

// has says whether an object of a cluster-scoped kind is needed.
func (n *needs) has(r Resource, name string) bool { return relatedKind(r) && n.names[r.Kind+"/"+name] }

// see notes what a collected namespaced object needs.
func (n *needs) see(r Resource, o object) error {
	n.add("CustomResourceDefinition", r.Name+"."+r.Group) // of a built-in kind there is none
	switch {
	case r.Group == "" && r.Kind == "PersistentVolumeClaim":
		return n.seeClaim(o)
	case r.Group == rbacGroup && r.Kind == "RoleBinding":
		return n.seeBinding(o)
	}
	return nil
}

func (n *needs) seeClaim(o object) error {
	var claim struct {
		Spec struct {
			VolumeName       string `json:"volumeName"`
			StorageClassName string `json:"storageClassName"`
		} `json:"spec"`
	}
	if err := o.decode(&claim); err != nil {
		return err
	}
	n.add("PersistentVolume", claim.Spec.VolumeName)
	n.add("StorageClass", claim.Spec.StorageClassName)
	return nil
}

const rbacGroup = "rbac.authorization.k8s.io"

type binding struct {
	RoleRef struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"roleRef"`
	Subjects []struct {
		Kind      string `json:"kind"`
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"subjects"`
}

func (n *needs) seeBinding(o object) error {
	var b binding
	if err := o.decode(&b); err != nil {
		return err
	}
	n.addRole(b)
	return nil
}

func (n *needs) addRole(b binding) {
	if b.RoleRef.Kind == "ClusterRole" {
		n.add("ClusterRole", b.RoleRef.Name)
	}
}

// seeClusterBinding notes a cluster role binding, and its role, when it gives
// rights to a service account of a selected namespace.
func (n *needs) seeClusterBinding(o object, selected func(namespace string) bool) error {
	var b binding
	if err := o.decode(&b); err != nil {
		return err
	}
	for _, s := range b.Subjects {
		group, isGroup := strings.CutPrefix(s.Name, "system:serviceaccounts:")
		if s.Kind == "ServiceAccount" && selected(s.Namespace) || s.Kind == "Group" && isGroup && selected(group) {
			n.add("ClusterRoleBinding", o.meta.Metadata.Name)
			n.addRole(b)
			return nil
		}
	}
	return nil
}

// relatedKind says whether a cluster-scoped kind is one that needs can name.
func relatedKind(r Resource) bool {
	switch r.Kind {
	case "PersistentVolume":
		return r.Group == ""
	case "StorageClass":
		return r.Group == "storage.k8s.io"
	case "ClusterRole", "ClusterRoleBinding":
		return r.Group == rbacGroup
	case "CustomResourceDefinition":
		return r.Group == "apiextensions.k8s.io"
	}
	return false
}
