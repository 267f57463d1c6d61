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
func ensureAdmin(ctx context.Context, o Options, principals signin.Principals, url string) error {
	path := o.path("admin.json")
	admin, err := readAdmin(path)
	if errors.Is(err, fs.ErrNotExist) {
		admin, err = makeAdmin(ctx, principals)
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

func makeAdmin(ctx context.Context, principals signin.Principals) (Admin, error) {
	subscription := uuid.NewString()
	c, created, err := principals.Bootstrap(ctx, subscription, "Holdfast")
	if err == nil && !created {
		c, subscription, err = anotherAdmin(ctx, principals)
	}
	if err != nil {
		return Admin{}, err
	}
	return adminOf(c, subscription), nil
}

func adminOf(c signin.Credentials, subscription string) Admin {
	return Admin{Tenant: c.TenantID, Subscription: subscription, ClientID: c.ClientID, ClientSecret: c.Secret}
}

// anotherAdmin makes an owner of everything beside those that exist.
func anotherAdmin(ctx context.Context, principals signin.Principals) (c signin.Credentials, subscription string, err error) {
	err = principals.Store.View(ctx, func(tx catalog.Tx) error {
		all, _, err := inventory.Subscriptions.Page(tx, "/subscriptions", "", 1)
		if err == nil && len(all) == 0 {
			err = errors.New("the catalog has no subscription")
		}
		if err == nil {
			subscription = all[0].Name()
		}
		return err
	})
	if err == nil {
		c, err = principals.Create(ctx, "administrator-"+uuid.NewString()[:8], signin.OwnerOfAll())
	}
	if err != nil {
		return c, "", fmt.Errorf("make an administrator: %w", err)
	}
	return c, subscription, nil
}
