package inventory_test

import (
	"context"
	"testing"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/inventory"
)

// held is a role of a principal; its id is made of both.
func held(principal, role, scope string) inventory.RoleAssignment {
	r, _ := access.RoleByName(role)
	return inventory.RoleAssignment{Meta: backup.Meta{ID: "/providers/Microsoft.Authorization/roleAssignments/" + principal + role},
		Scope: scope, RoleID: r.ID, PrincipalID: principal}
}

func TestLastOwner(t *testing.T) {
	const sub = "/subscriptions/s"
	mine := held("me", access.RoleOwner, "/")
	for name, c := range map[string]struct {
		others  []inventory.RoleAssignment
		leaving inventory.RoleAssignment
		last    bool
	}{
		"alone":                         {nil, mine, true},
		"beside another Owner":          {[]inventory.RoleAssignment{held("YOU", access.RoleOwner, "/")}, mine, false},
		"beside one who cannot sign in": {[]inventory.RoleAssignment{held("nobody", access.RoleOwner, "/")}, mine, true},
		"beside a Contributor":          {[]inventory.RoleAssignment{held("you", access.RoleContributor, "/")}, mine, true},
		"beside an Owner of less":       {[]inventory.RoleAssignment{held("you", access.RoleOwner, sub)}, mine, true},
		"Reader leaves":                 {nil, held("me", access.RoleReader, "/"), false},
		"Owner of less leaves":          {nil, held("me", access.RoleOwner, sub), false},
	} {
		store := catalogtest.NewMemory()
		err := store.Update(context.Background(), func(tx catalog.Tx) error {
			for _, id := range []string{"me", "you"} {
				p := &inventory.ServicePrincipal{Meta: backup.Meta{ID: "client-" + id}, ClientID: "client-" + id, ObjectID: id}
				if err := inventory.ServicePrincipals.Put(tx, p); err != nil {
					return err
				}
			}
			for _, a := range append(c.others, c.leaving) {
				if err := inventory.RoleAssignments.Put(tx, &a); err != nil {
					return err
				}
			}
			last, err := inventory.LastOwner(tx, c.leaving)
			if last != c.last {
				t.Errorf("%s: %v", name, last)
			}
			return err
		})
		if err != nil {
			t.Fatal(name, err)
		}
	}
}
