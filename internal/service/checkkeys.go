package service

import (
	"context"
	"os"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/keys/byurl"
)

// keys checks that what wraps keys can be reached, and opens everything that was
// sealed with it. It returns nil when there is no usable key.
func (c *checker) keys(ctx context.Context) *keys.Sealer {
	url, err := c.keyProvider()
	if err != nil {
		c.add("key provider", Problem, "%v", err)
		return nil
	}
	name := "key provider"
	path, isFile := byurl.File(url)
	if isFile {
		name = "key file"
	}
	provider, err := c.keySet(false) // makes no file
	if err != nil {
		c.add(name, Problem, "%v; without it no backup can be read: put the copy back", err)
		return nil
	}
	if isFile {
		c.keyFile(path)
	}
	secrets := keys.NewSealer(provider)
	if c.db != nil {
		store := sqlstore.New(c.db, nil)
		c.repositoryKeys(ctx, store, keys.NewRing(store, provider))
		c.secrets(ctx, store, secrets)
	}
	return secrets
}

// keyFile checks that a key file is private.
func (c *checker) keyFile(path string) {
	info, err := os.Stat(path)
	if err != nil {
		c.add("key file", Problem, "%v", plain(err))
	} else if mode := info.Mode().Perm(); mode&0o077 != 0 {
		c.add("key file", Warning, "%s can be read by others (%v): chmod 600", path, mode)
	} else {
		c.add("key file", OK, "readable by its owner only")
	}
}

func (c *checker) repositoryKeys(ctx context.Context, store catalog.Store, ring *keys.Ring) {
	count, bad := 0, 0
	for after := ""; ; {
		var page []catalog.Document
		err := store.View(ctx, func(tx catalog.Tx) (err error) {
			page, err = tx.List(catalog.Query{Kind: keys.Kind, After: after})
			return err
		})
		if err != nil {
			c.add("repository keys", Problem, "%v", err)
			return
		}
		if len(page) == 0 {
			break
		}
		for _, doc := range page {
			count++
			if _, err := ring.Key(ctx, doc.ID); err != nil {
				bad++
				c.add("repository keys", Problem, "%v", err)
			}
		}
		after = page[len(page)-1].ID
	}
	if bad == 0 {
		c.add("repository keys", OK, "%d readable", count)
	}
}

// secrets opens every sealed secret of the catalog.
func (c *checker) secrets(ctx context.Context, store catalog.Store, sealer *keys.Sealer) {
	sealed := map[string][]byte{} // by owner
	err := store.View(ctx, func(tx catalog.Tx) error {
		accounts, err := inventory.Accounts.Below(tx, "")
		if err != nil {
			return err
		}
		for i := range accounts {
			sealed[accounts[i].KeyOwner()] = accounts[i].Store.Key
		}
		extensions, err := inventory.Extensions.Below(tx, "")
		for i := range extensions {
			for name, value := range extensions[i].Protected {
				sealed[extensions[i].SettingOwner(name)] = value
			}
		}
		return err
	})
	if err != nil {
		c.add("sealed secrets", Problem, "%v", err)
		return
	}
	count, bad := 0, 0
	for owner, value := range sealed {
		secret, err := sealer.Open(ctx, owner, value)
		if err != nil {
			bad++
			c.add("sealed secrets", Problem, "%v; write the resource again with its secret", err)
		} else if secret != "" {
			count++
		}
	}
	if bad == 0 {
		c.add("sealed secrets", OK, "%d readable", count)
	}
}
