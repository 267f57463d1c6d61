package restore

import (
	"slices"
	"strings"
)

// The names under which objects are created and changed. They differ so that
// an object that this restore created can be told from one that appeared by
// itself and was then changed: a new namespace's default account, say.
const (
	creator = "holdfast"
	changer = "holdfast-patch"
)

// Live is what planning must know of the cluster.
type Live struct {
	// Kinds that are served, by "group/Kind".
	Kinds map[string]kind
	// Objects that exist and that the archive also has, by the key of their Ref.
	Objects map[string]Object
}

// kind is how a kind is served.
type kind struct {
	Resource   string
	Namespaced bool
	Versions   []string
}

func (k kind) serves(version string) bool { return slices.Contains(k.Versions, version) }

// Object is one object in the cluster.
type Object struct {
	UID string
	// Made: this very restore created it, in a run that was interrupted.
	Made bool
	// Changed: this very restore wrote to it.
	Changed bool
}

// keepFinalizer says whether a finalizer's domain belongs to a group that is
// served here: then its controller can be expected to remove it.
func (l Live) keepFinalizer(finalizer string) bool {
	domain, _, qualified := strings.Cut(finalizer, "/")
	if !qualified {
		domain = finalizer
	}
	for name := range l.Kinds {
		group, _, _ := strings.Cut(name, "/")
		if strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io") &&
			(domain == group || strings.HasSuffix(domain, "."+group)) {
			return true
		}
	}
	return false
}
