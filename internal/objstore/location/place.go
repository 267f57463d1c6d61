package location

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/azblob"
	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/objstore/gcs"
	"holdfast.dev/holdfast/internal/objstore/s3"
)

// place is what a location's URL says.
type place struct {
	open   func() (objstore.Store, error)
	create func(context.Context) error
	prefix string // of the part of the bucket, ending with "/"; empty for all of it
}

// place reads the URL. Its errors do not quote what may hold a secret.
func (l Location) place() (place, error) {
	u, err := url.Parse(l.URL)
	if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return place{}, ErrURL
	}
	switch u.Scheme {
	case "s3":
		return l.s3(u)
	case "gs":
		return l.gcs(u)
	}
	if u.RawQuery != "" {
		return place{}, ErrURL
	}
	switch u.Scheme {
	case "http", "https":
		return l.container(u)
	case "file":
		return l.folder(u)
	}
	return place{}, fmt.Errorf("%w: %s", ErrURL, l)
}

func (l Location) folder(u *url.URL) (place, error) {
	if u.Host != "" || !filepath.IsAbs(u.Path) || filepath.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") {
		return place{}, fmt.Errorf("%w: %s", ErrURL, l)
	}
	return place{
		open:   func() (objstore.Store, error) { return filesystem.Open(u.Path) },
		create: func(context.Context) error { return os.MkdirAll(u.Path, 0o700) },
	}, nil
}

func (l Location) container(u *url.URL) (place, error) {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) > 2 || parts[len(parts)-1] == "" || len(parts) == 2 && parts[0] != l.Account {
		return place{}, fmt.Errorf("%w: the path is not a container, or account %q and a container", ErrURL, l.Account)
	}
	store, err := azblob.New(azblob.Options{URL: l.URL, Account: l.Account, Key: l.Key})
	if err != nil {
		return place{}, fmt.Errorf("storage location %s: %w", l, err)
	}
	return place{open: func() (objstore.Store, error) { return store, nil }, create: store.Create}, nil
}

func (l Location) s3(u *url.URL) (place, error) {
	prefix, query, err := part(u, "endpoint", "region")
	if err != nil {
		return place{}, err
	}
	store, err := s3.New(s3.Options{Bucket: u.Host, Endpoint: query["endpoint"], Region: query["region"], AccessKey: l.Account, SecretKey: l.Key})
	if err != nil {
		return place{}, fmt.Errorf("storage location %s: %w", l, err)
	}
	return place{open: func() (objstore.Store, error) { return store, nil }, create: store.Exists, prefix: prefix}, nil
}

func (l Location) gcs(u *url.URL) (place, error) {
	prefix, query, err := part(u, "endpoint")
	if err != nil {
		return place{}, err
	}
	store, err := gcs.New(gcs.Options{Bucket: u.Host, Endpoint: query["endpoint"], Key: l.Key})
	if err != nil {
		return place{}, fmt.Errorf("storage location %s: %w", l, err)
	}
	return place{open: func() (objstore.Store, error) { return store, nil }, create: store.Exists, prefix: prefix}, nil
}

// part reads the URL of a bucket or a part of it, and those parameters of its
// query that are known; with any other it is refused.
func part(u *url.URL, known ...string) (prefix string, query map[string]string, err error) {
	if u.Host == "" || u.Port() != "" {
		return "", nil, fmt.Errorf("%w: it names no bucket", ErrURL)
	}
	if prefix = strings.Trim(u.Path, "/"); prefix != "" {
		if objstore.CheckName(prefix) != nil {
			return "", nil, fmt.Errorf("%w: the prefix in the bucket is no object name", ErrURL)
		}
		prefix += "/"
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", nil, ErrURL
	}
	query = map[string]string{}
	for _, name := range known {
		query[name] = values.Get(name)
		values.Del(name)
	}
	if len(values) > 0 {
		return "", nil, fmt.Errorf("%w: its parameters may be %s only", ErrURL, strings.Join(known, " and "))
	}
	return prefix, query, checkEndpoint(query["endpoint"])
}

// checkEndpoint takes the address of a server, or none.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%w: the endpoint is not http[s]://host[:port]", ErrURL)
	}
	return nil
}
