package gate

import (
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// RepositoryNames are the names of a repository that a mover needs: it writes
// packs, index segments, the manifest and the announcement of the recovery point
// that its grant names, and the object that says what the repository is. It
// reads these of every recovery point, and what is condemned. It can neither
// condemn packs, nor void another's recovery point, nor touch wrapped keys.
func RepositoryNames(grant grants.Grant, name string, write bool) bool {
	if name == layout.Repository {
		return true
	}
	if _, err := layout.ParsePack(name); err == nil {
		return true
	}
	if _, err := layout.Parse(layout.Indexes, name); err == nil {
		return true
	}
	for _, prefix := range []string{layout.Manifests, layout.Writers} {
		if id, err := layout.Parse(prefix, name); err == nil {
			return !write || id.String() == grant.RecoveryPoint
		}
	}
	_, err := layout.Parse(layout.Condemneds, name)
	return err == nil && !write
}
