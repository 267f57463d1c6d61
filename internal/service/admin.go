package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/signin"
	"holdfast.dev/holdfast/internal/signin/pki"
)

// Admin is what the service leaves for its first administrator, in admin.json.
type Admin struct {
	URL          string `json:"url"`
	Tenant       string `json:"tenant"`
	Subscription string `json:"subscription"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	CAFile       string `json:"caFile,omitempty"`
}

// ensureAdmin makes the first administrator and writes admin.json. It keeps
// the file's address up to date, and makes another administrator when the file
// is gone: the first start may have been cut off before it was written, and
// who may write to the data directory holds the keys anyhow.
func ensureAdmin(ctx context.Context, o Options, users *signin.Service, url string) error {
	path := o.path("admin.json")
	admin, err := readAdmin(path)
	if errors.Is(err, fs.ErrNotExist) {
		admin, err = makeAdmin(ctx, users)
	}
	if err != nil {
		return err
	}
	admin.URL = url
	if admin.CAFile, err = caFile(o); err != nil {
		return err
	}
	content, err := json.MarshalIndent(admin, "", "  ")
	if err != nil {
		return fmt.Errorf("admin.json: %w", err)
	}
	return pki.WriteFile(path, append(content, '\n'), 0o600)
}

func readAdmin(path string) (Admin, error) {
	var admin Admin
	content, err := os.ReadFile(path)
	if err != nil {
		return admin, fmt.Errorf("read administrator: %w", err)
	}
	if err := json.Unmarshal(content, &admin); err != nil {
		return admin, fmt.Errorf("read %s: %w", path, err)
	}
	return admin, nil
}

// caFile is the absolute path of what clients trust the service by, if it has
// an authority of its own.
func caFile(o Options) (string, error) {
	if _, err := os.Stat(o.path("ca.crt")); err != nil {
		return "", nil
	}
	return filepath.Abs(o.path("ca.crt"))
}

func makeAdmin(ctx context.Context, users *signin.Service) (Admin, error) {
	subscription := uuid.NewString()
	credentials, created, err := users.Bootstrap(ctx, subscription, "Holdfast")
	if err != nil {
		return Admin{}, err
	}
	if !created {
		if credentials, subscription, err = anotherAdmin(ctx, users); err != nil {
			return Admin{}, err
		}
	}
	return Admin{
		Tenant: credentials.TenantID, Subscription: subscription,
		ClientID: credentials.ClientID, ClientSecret: credentials.Secret,
	}, nil
}

// anotherAdmin makes an owner of everything beside those that exist.
func anotherAdmin(ctx context.Context, users *signin.Service) (c signin.Credentials, subscription string, err error) {
	if c, err = users.CreateServicePrincipal(ctx, "administrator"); err != nil {
		return c, "", fmt.Errorf("make an administrator: %w", err)
	}
	role, _ := access.RoleByName(access.RoleOwner)
	err = users.Store.Update(ctx, func(tx catalog.Tx) error {
		all, _, err := inventory.Subscriptions.Page(tx, "/subscriptions", "", 1)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return errors.New("the catalog has no subscription")
		}
		subscription = all[0].Name()
		return inventory.RoleAssignments.Put(tx, &inventory.RoleAssignment{
			Meta:  backup.Meta{ID: "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()},
			Scope: "/", RoleID: role.ID, PrincipalID: c.ObjectID, PrincipalType: access.ServicePrincipal,
		})
	})
	return c, subscription, err
}
