// Package byurl opens the key provider that a URL names, as people write it:
//
//	file:///absolute/path
//	vault-transit://host:port/MOUNT/KEY?SETTING=VALUE&...
//
// The settings of vault-transit are token-file; or role-id and secret-id-file; or
// kubernetes-role and, if wanted, jwt-file; and beside these, if wanted,
// auth-mount, namespace, ca (a file), and plain=true, without TLS, for loopback.
// Secrets are in files and never in the URL.
package byurl

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/keys/transit"
)

// ErrURL means that a URL is of no form we know.
var ErrURL = errors.New("key provider is not file:///path or vault-transit://host:port/mount/key")

// Open opens a provider. A key file that does not exist is made when create
// says so. Vault is not contacted.
func Open(text string, create bool) (keys.Provider, error) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Fragment != "" {
		return nil, ErrURL // without the text, which may hold a secret
	}
	switch u.Scheme {
	case "file":
		return openFile(u, create)
	case "vault-transit":
		return openTransit(u)
	}
	return nil, ErrURL
}

// File returns the path of a key file's URL.
func File(text string) (path string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "file" || u.Host != "" || u.RawQuery != "" || !filepath.IsAbs(u.Path) {
		return "", false
	}
	return u.Path, true
}

func openFile(u *url.URL, create bool) (keys.Provider, error) {
	name, ok := File(u.String())
	if !ok {
		return nil, ErrURL
	}
	if !create {
		if _, err := os.Stat(name); err != nil {
			return nil, fmt.Errorf("key file: %w", err)
		}
	}
	return keys.OpenFile(name)
}

func openTransit(u *url.URL) (keys.Provider, error) {
	o := transit.Options{Address: "https://" + u.Host, Mount: strings.Trim(path.Dir(u.Path), "/"), Key: path.Base(u.Path)}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Host == "" || u.Path != path.Clean(u.Path) {
		return nil, ErrURL
	}
	for name, values := range query {
		if len(values) != 1 || values[0] == "" || !set(&o, name, values[0]) {
			return nil, fmt.Errorf("%w: setting %q is not known, is empty, or is given twice", ErrURL, name)
		}
	}
	if query.Get("plain") == "true" {
		o.Address = "http://" + u.Host
	}
	return transit.Open(o)
}

func set(o *transit.Options, name, value string) bool {
	field := map[string]*string{
		"token-file": &o.Auth.TokenFile, "role-id": &o.Auth.RoleID, "secret-id-file": &o.Auth.SecretIDFile,
		"kubernetes-role": &o.Auth.Role, "jwt-file": &o.Auth.JWTFile, "auth-mount": &o.Auth.Mount,
		"namespace": &o.Namespace, "ca": &o.CAFile, "plain": new(string),
	}[name]
	if field == nil {
		return false
	}
	*field = value
	return true
}
