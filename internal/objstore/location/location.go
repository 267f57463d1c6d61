// Package location opens the bucket that a backup storage location names, and
// answers what must be known of it before it is used.
package location

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/azblob"
	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/objstore/wrap"
)

// ErrURL means that a location's URL is of no form we know.
var ErrURL = errors.New("storage location URL is not understood")

// Location names a bucket.
type Location struct {
	// URL is file:///absolute/folder, https://account.host/container, or
	// http://host:port/account/container for an emulator.
	URL     string
	Account string // storage account name; empty for a folder
	Key     string // its key, base64; empty for a folder
}

// String returns the location without its key.
func (l Location) String() string { return l.URL }

// GoString hides the key.
func (l Location) GoString() string { return l.URL }

// State is what Probe finds.
type State struct {
	Exists bool
	Empty  bool // no object in it; true also when it does not exist
}

// Open returns the bucket as a store that retries. A folder must exist
// (objstore.ErrNoBucket); a container is not contacted.
func Open(_ context.Context, l Location) (objstore.Store, error) {
	var store objstore.Store
	dir, isFolder, err := l.folder()
	if err != nil {
		return nil, err
	}
	if isFolder {
		store, err = filesystem.Open(dir)
	} else {
		store, err = l.container()
	}
	if err != nil {
		return nil, fmt.Errorf("open storage location %s: %w", l, err)
	}
	return wrap.Retry(store, wrap.Retries{}), nil
}

// Create makes the folder or container; one that exists is no error.
func Create(ctx context.Context, l Location) error {
	dir, isFolder, err := l.folder()
	if err != nil {
		return err
	}
	if isFolder {
		err = os.MkdirAll(dir, 0o700)
	} else {
		var store *azblob.Store
		if store, err = l.container(); err == nil {
			err = store.Create(ctx)
		}
	}
	if err != nil && !errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("create storage location %s: %w", l, err)
	}
	return nil
}

// Probe finds out whether the bucket exists, lets us in and is empty. Errors
// say why not: objstore.ErrForbidden, objstore.ErrUnavailable, ErrURL.
func Probe(ctx context.Context, l Location) (State, error) {
	store, err := Open(ctx, l)
	if errors.Is(err, objstore.ErrNoBucket) {
		return State{Empty: true}, nil
	}
	if err != nil {
		return State{}, err
	}
	for _, err := range store.List(ctx, "") {
		if errors.Is(err, objstore.ErrNoBucket) {
			return State{Empty: true}, nil
		}
		if err != nil {
			return State{}, fmt.Errorf("probe storage location %s: %w", l, err)
		}
		return State{Exists: true}, nil
	}
	return State{Exists: true, Empty: true}, nil
}

// folder returns the folder of a file URL.
func (l Location) folder() (string, bool, error) {
	u, err := url.Parse(l.URL)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", false, ErrURL // without the text, which may hold a secret
	}
	switch u.Scheme {
	case "http", "https":
		return "", false, nil
	case "file":
		if u.Host == "" && filepath.IsAbs(u.Path) && filepath.Clean(u.Path) == strings.TrimSuffix(u.Path, "/") {
			return u.Path, true, nil
		}
	}
	return "", false, fmt.Errorf("%w: %s", ErrURL, l)
}

func (l Location) container() (*azblob.Store, error) {
	u, err := url.Parse(l.URL)
	if err != nil {
		return nil, ErrURL
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) > 2 || parts[len(parts)-1] == "" || len(parts) == 2 && parts[0] != l.Account {
		return nil, fmt.Errorf("%w: the path is not a container, or account %q and a container", ErrURL, l.Account)
	}
	return azblob.New(azblob.Options{URL: l.URL, Account: l.Account, Key: l.Key})
}
