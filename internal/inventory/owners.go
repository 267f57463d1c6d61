package inventory

import (
	"strings"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// LastOwner tells whether the assignments must not leave: one of them is Owner
// at "/", and without them no other is whose principal can sign in. Ask in the
// transaction that deletes them, so that two deletions cannot miss each other.
func LastOwner(tx catalog.Tx, leaving ...RoleAssignment) (bool, error) {
	gone, found := map[string]bool{}, false
	for _, a := range leaving {
		gone[backup.Key(a.ID)] = true
		found = found || a.ownsAll()
	}
	if !found {
		return false, nil
	}
	programs, err := AllServicePrincipals(tx)
	if err != nil {
		return false, err
	}
	for _, program := range programs {
		held, err := RoleAssignments.With(tx, LabelPrincipal, backup.Key(program.ObjectID))
		if err != nil {
			return false, err
		}
		for _, a := range held {
			if a.ownsAll() && !gone[backup.Key(a.ID)] {
				return false, nil
			}
		}
	}
	return true, nil
}

func (a RoleAssignment) ownsAll() bool {
	role, _ := access.RoleByName(access.RoleOwner)
	return a.Scope == "/" && strings.EqualFold(a.RoleID, role.ID)
}
