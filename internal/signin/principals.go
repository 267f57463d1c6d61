package signin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/resourceid"
)

// maxName is the longest name of a service principal, in bytes.
const maxName = 120

// Errors of Principals; test with errors.Is.
var (
	ErrNameTaken   = errors.New("a service principal has this name already")
	ErrNoPrincipal = errors.New("no such service principal")
	ErrLastOwner   = errors.New(`the last Owner at "/": nobody could administer the service any more; give another service principal this role first`)
)

// Principals are the programs that may sign in. Of several processes on one
// catalog each sees at once what another changed.
type Principals struct {
	Store    catalog.Store
	Clock    clock.Clock
	TenantID string // goes into Credentials; nothing else needs it
}

// Create makes a program that may sign in and holds the grants. It fails with
// ErrNameTaken when the name is in use; case does not matter.
func (p Principals) Create(ctx context.Context, name string, grants ...Grant) (c Credentials, err error) {
	if name == "" || len(name) > maxName || name != strings.TrimSpace(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return c, fmt.Errorf("service principal %q: a name has 1 to %d bytes, no control characters and no spaces around it", name, maxName)
	}
	err = p.Store.Update(ctx, func(tx catalog.Tx) error {
		twins, err := named(tx, name)
		if err != nil {
			return err
		} else if len(twins) > 0 {
			return fmt.Errorf("%w: %s, client id %s", ErrNameTaken, twins[0].Name, twins[0].ClientID)
		}
		c, err = p.create(tx, name, grants...)
		return err
	})
	return c, err
}

// List returns all service principals, in order of client ids.
func (p Principals) List(ctx context.Context) (all []inventory.ServicePrincipal, err error) {
	err = p.Store.View(ctx, func(tx catalog.Tx) error {
		all, err = inventory.AllServicePrincipals(tx)
		return err
	})
	return all, err
}

// Delete removes a program and its role assignments; its tokens stop working
// at once. It fails with ErrNoPrincipal and ErrLastOwner.
func (p Principals) Delete(ctx context.Context, clientID string) error {
	return p.Store.Update(ctx, func(tx catalog.Tx) error {
		found, err := inventory.ServicePrincipals.Get(tx, clientID)
		if errors.Is(err, catalog.ErrNotFound) {
			return fmt.Errorf("%w: client id %s", ErrNoPrincipal, clientID)
		} else if err != nil {
			return err
		}
		return remove(tx, *found)
	})
}

// DeleteNamed is Delete by name. Service principals of earlier times may share
// a name; then it fails and tells their client ids.
func (p Principals) DeleteNamed(ctx context.Context, name string) error {
	return p.Store.Update(ctx, func(tx catalog.Tx) error {
		found, err := named(tx, name)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fmt.Errorf("%w: name %s", ErrNoPrincipal, name)
		case len(found) > 1:
			return fmt.Errorf("%d service principals have the name %s, with the client ids %s and %s: name the client id",
				len(found), name, found[0].ClientID, found[1].ClientID)
		}
		return remove(tx, found[0])
	})
}

func named(tx catalog.Tx, name string) (found []inventory.ServicePrincipal, err error) {
	all, err := inventory.AllServicePrincipals(tx)
	for _, program := range all {
		if strings.EqualFold(program.Name, name) {
			found = append(found, program)
		}
	}
	return found, err
}

func remove(tx catalog.Tx, program inventory.ServicePrincipal) error {
	held, err := inventory.RoleAssignments.With(tx, inventory.LabelPrincipal, resourceid.Key(program.ObjectID))
	if err != nil {
		return err
	}
	if last, err := inventory.LastOwner(tx, held...); err != nil {
		return err
	} else if last {
		return fmt.Errorf("service principal %s is %w", program.Name, ErrLastOwner)
	}
	for _, a := range held {
		if err := inventory.RoleAssignments.Delete(tx, a.ID); err != nil {
			return err
		}
	}
	return inventory.ServicePrincipals.Delete(tx, program.ClientID)
}
