package service

import (
	"context"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/provider"
	"holdfast.dev/holdfast/internal/resourceid"
	"holdfast.dev/holdfast/internal/signin"
)

// Grant is a role over a scope, as a person writes them.
type Grant struct {
	Role  string // name or GUID of a built-in role
	Scope string // "/", or the id of a subscription, resource group or resource
}

// CreatePrincipal makes a service principal that holds the grants, and returns
// how it signs in. Like its neighbours it needs DataDir and Clock of the
// options, and works beside a running service.
func CreatePrincipal(ctx context.Context, o Options, name string, grants []Grant) (made Admin, err error) {
	err = beside(ctx, o, func(p signin.Principals) error {
		admin, err := readAdmin(o.path("admin.json"))
		if err != nil {
			return fmt.Errorf("%w; the service writes the file when it starts", err)
		}
		p.TenantID = admin.Tenant
		wanted, err := parseGrants(ctx, p, grants)
		if err != nil {
			return err
		}
		c, err := p.Create(ctx, name, wanted...)
		made = adminOf(c, admin.Subscription)
		made.URL, made.CAFile = admin.URL, admin.CAFile
		return err
	})
	return made, err
}

// Principals lists all service principals, in order of client ids.
func Principals(ctx context.Context, o Options) (all []inventory.ServicePrincipal, err error) {
	err = beside(ctx, o, func(p signin.Principals) error {
		all, err = p.List(ctx)
		return err
	})
	return all, err
}

// DeletePrincipal removes a service principal, found by its name or, when that
// is empty, by its client id, and its role assignments.
func DeletePrincipal(ctx context.Context, o Options, name, clientID string) error {
	return beside(ctx, o, func(p signin.Principals) error {
		if name != "" {
			return p.DeleteNamed(ctx, name)
		}
		return p.Delete(ctx, clientID)
	})
}

func beside(ctx context.Context, o Options, fn func(signin.Principals) error) error {
	d, err := openBeside(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(fn(signin.Principals{Store: d.store, Clock: o.signIn()}), d.db.Close())
}

// parseGrants demands that roles and scopes exist: a mistyped group would hand
// rights to whoever makes one of that name later.
func parseGrants(ctx context.Context, p signin.Principals, grants []Grant) ([]signin.Grant, error) {
	platform := provider.NewPlatform(p.Store, p.Clock, p.TenantID, nil)
	var wanted []signin.Grant
	for _, g := range grants {
		role, known := access.RoleByName(g.Role)
		if !known {
			role, known = access.RoleByID(g.Role)
		}
		if !known {
			return nil, fmt.Errorf("role %q is not a built-in role", g.Role)
		}
		scope, err := resourceid.Parse(g.Scope)
		if err != nil {
			return nil, fmt.Errorf("scope %q: %w", g.Scope, err)
		}
		if scope.Subscription() != "" {
			if err := platform.CheckScope(ctx, scope); err != nil {
				return nil, fmt.Errorf("scope %s: %w", scope, err)
			}
		}
		wanted = append(wanted, signin.Grant{Role: role, Scope: scope})
	}
	return wanted, nil
}
