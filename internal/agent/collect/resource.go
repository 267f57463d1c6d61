package collect

import (
	"cmp"
	"slices"
	"strings"
)

// Resource is one kind of objects that an API server stores.
type Resource struct {
	Group      string // "" for the core group
	Version    string // the version it is read in
	Name       string // plural, lower case, as in a path
	Kind       string
	Namespaced bool
}

// String names the kind for people: "apps/Deployment", or "Secret" in the core group.
func (r Resource) String() string {
	if r.Group == "" {
		return r.Kind
	}
	return r.Group + "/" + r.Kind
}

// Key is the name of an object in an archive. Keys of namespaced objects sort
// before the others, so that what cluster-scoped objects are needed is known
// when their turn comes; within a kind they sort as the API server lists them.
func (r Resource) Key(namespace, name string) string {
	if r.Namespaced {
		return r.prefix() + namespace + "/" + name
	}
	return r.prefix() + name
}

func (r Resource) prefix() string {
	scope := "wide/"
	if r.Namespaced {
		scope = "namespaced/"
	}
	return scope + cmp.Or(r.Group, "core") + "/" + r.Kind + "/"
}

// apiVersion is the value of the apiVersion field of an object of this kind.
func (r Resource) apiVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// path is where objects of this kind are listed; an empty namespace means all.
func (r Resource) path(namespace string) string {
	root := "/apis/"
	if r.Group == "" {
		root = "/api/"
	}
	if namespace != "" {
		return root + r.apiVersion() + "/namespaces/" + namespace + "/" + r.Name
	}
	return root + r.apiVersion() + "/" + r.Name
}

// sortResources orders kinds as their keys sort.
func sortResources(resources []Resource) {
	slices.SortFunc(resources, func(a, b Resource) int {
		return strings.Compare(a.prefix(), b.prefix())
	})
}
