// Package transit wraps keys with a key of HashiCorp Vault's transit engine,
// which never leaves Vault. Its five requests are made with net/http: the
// official client reads settings from the environment, repeats on its own, and
// brings a dozen modules.
//
// The service needs a policy that lets it update encrypt, decrypt and rewrap of
// its key, and read the key:
//
//	path "transit/encrypt/holdfast" { capabilities = ["update"] }
//	path "transit/decrypt/holdfast" { capabilities = ["update"] }
//	path "transit/rewrap/holdfast"  { capabilities = ["update"] }
//	path "transit/keys/holdfast"    { capabilities = ["read"] }
package transit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"holdfast.dev/holdfast/internal/keys"
)

// boundVersion is the first byte of what is wrapped: a hash of the name and the
// key. So the name is bound whatever kind of key wraps it, and rewrapping keeps it.
const boundVersion = 1

// Options say which key, where it is, and how to sign in.
type Options struct {
	Address   string // https://host:port; http on loopback only
	Namespace string // empty for none
	Mount     string // of the engine, such as transit
	Key       string // its name; it must exist
	CAFile    string // PEM to trust Vault by; empty for public authorities
	Auth      Auth
}

// Provider wraps with one key of a transit engine. It is safe for concurrent use.
type Provider struct {
	mount, key string
	client     *client
}

// Open returns a provider; Vault is not contacted.
func Open(o Options) (*Provider, error) {
	for _, part := range append(strings.Split(o.Mount, "/"), o.Key) {
		if part == "" || strings.Trim(part, letters) != "" || strings.Trim(part, ".") == "" {
			return nil, fmt.Errorf("transit: %q and %q do not name a mount and a key", o.Mount, o.Key)
		}
	}
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	return &Provider{o.Mount, o.Key, c}, nil
}

// letters are those of the names of mounts and keys.
const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// Describe names the key.
func (p *Provider) Describe() keys.Description {
	return keys.Description{Provider: "vault-transit", Key: p.mount + "/" + p.key}
}

// message is what goes to the engine and what comes back.
type message struct {
	Plaintext  []byte `json:"plaintext,omitempty"` // base64 on the wire
	Ciphertext string `json:"ciphertext,omitempty"`
	Context    []byte `json:"context,omitempty"`
	Latest     int    `json:"latest_version,omitempty"`
}

// Wrap encrypts a key and its name's hash with the latest version.
func (p *Provider) Wrap(ctx context.Context, name string, key []byte) ([]byte, error) {
	hash := sha256.Sum256([]byte(name))
	plain := append(append([]byte{boundVersion}, hash[:]...), key...)
	out, err := p.call(ctx, "encrypt", name, message{Plaintext: plain})
	if err != nil {
		return nil, err
	}
	if _, err := version(out.Ciphertext); err != nil {
		return nil, err
	}
	return []byte(out.Ciphertext), nil
}

// Unwrap decrypts what Wrap encrypted under the same name.
func (p *Provider) Unwrap(ctx context.Context, name string, wrapped []byte) ([]byte, error) {
	if _, err := version(string(wrapped)); err != nil {
		return nil, err // without asking: it is not of this kind
	}
	out, err := p.call(ctx, "decrypt", name, message{Ciphertext: string(wrapped)})
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(name))
	if len(out.Plaintext) < 1+len(hash) || out.Plaintext[0] != boundVersion || subtle.ConstantTimeCompare(out.Plaintext[1:1+len(hash)], hash[:]) != 1 {
		return nil, fmt.Errorf("%w: it is bound to another name", keys.ErrUnwrap)
	}
	return bytes.Clone(out.Plaintext[1+len(hash):]), nil
}

// Outdated says whether an older version of the key wrapped it.
func (p *Provider) Outdated(ctx context.Context, wrapped []byte) (bool, error) {
	of, err := version(string(wrapped))
	if err != nil {
		return false, err
	}
	var out message
	if err := p.client.call(ctx, "GET", p.mount+"/keys/"+p.key, nil, &out); err != nil {
		return false, p.named(err)
	}
	return of < out.Latest, nil
}

// Rewrap encrypts with the latest version what an older one did, without it
// leaving Vault.
func (p *Provider) Rewrap(ctx context.Context, name string, wrapped []byte) ([]byte, error) {
	out, err := p.call(ctx, "rewrap", name, message{Ciphertext: string(wrapped)})
	return []byte(out.Ciphertext), err
}

// call asks for one operation. The name is the context, which keys with
// derivation need and others ignore.
func (p *Provider) call(ctx context.Context, operation, name string, in message) (out message, err error) {
	in.Context = []byte(name)
	if name == "" {
		in.Context = []byte{0}
	}
	return out, p.named(p.client.call(ctx, "POST", p.mount+"/"+operation+"/"+p.key, in, &out))
}

func (p *Provider) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("transit key %s/%s: %w", p.mount, p.key, err)
}

// version reads the key's version out of a ciphertext, "vault:v3:...".
func version(ciphertext string) (int, error) {
	rest, found := strings.CutPrefix(ciphertext, "vault:v")
	number, sealed, colon := strings.Cut(rest, ":")
	n, err := strconv.Atoi(number)
	_, odd := base64.StdEncoding.DecodeString(sealed)
	if err = errors.Join(err, odd); !found || !colon || sealed == "" || n < 1 || err != nil {
		return 0, fmt.Errorf("%w: it was not wrapped by a transit engine", keys.ErrUnwrap)
	}
	return n, nil
}
