package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Errors of providers; test with errors.Is.
var (
	// ErrUnavailable: the provider cannot answer now; the same call may succeed later.
	ErrUnavailable = errors.New("key provider unavailable")
	// ErrDenied: the provider does not let the service use the key.
	ErrDenied = errors.New("key provider refuses access")
	// ErrUnwrap: wrapped by another key, bound to another name, or changed.
	ErrUnwrap = errors.New("wrapped key cannot be unwrapped")
)

// Provider wraps keys with one that never leaves it. The name is bound to the
// wrapped key: under another name it cannot be unwrapped. Whatever cloud keeps
// the key, this is all that is asked of it; keystest checks it.
type Provider interface {
	Wrap(ctx context.Context, name string, key []byte) (wrapped []byte, err error)
	Unwrap(ctx context.Context, name string, wrapped []byte) (key []byte, err error)
	// Describe tells people which key it is; nothing secret.
	Describe() Description
}

// Description names a wrapping key.
type Description struct {
	Provider string `json:"provider"` // "file" or "vault-transit"
	Key      string `json:"key"`      // of a file its fingerprint, of Transit mount/name
}

// Versioned is a provider whose key has versions: what an older one wrapped is
// still unwrapped, but should be wrapped anew.
type Versioned interface {
	Outdated(ctx context.Context, wrapped []byte) (bool, error)
	Rewrap(ctx context.Context, name string, wrapped []byte) ([]byte, error)
}

// Set wraps with its current provider, and unwraps with the old ones too: so a
// service goes on while its keys are wrapped anew.
type Set struct {
	Current Provider
	Old     []Provider
}

// Wrap wraps with the current provider.
func (s Set) Wrap(ctx context.Context, name string, key []byte) ([]byte, error) {
	return s.Current.Wrap(ctx, name, key)
}

// Describe names the current provider's key.
func (s Set) Describe() Description { return s.Current.Describe() }

// Unwrap unwraps with the first provider that can. When none can, and one could
// not be asked, it may succeed later.
func (s Set) Unwrap(ctx context.Context, name string, wrapped []byte) ([]byte, error) {
	key, err := s.Current.Unwrap(ctx, name, wrapped)
	for _, old := range s.Old {
		if err == nil {
			return key, nil
		}
		more := error(nil)
		if key, more = old.Unwrap(ctx, name, wrapped); more == nil {
			return key, nil
		}
		err = errors.Join(err, more)
	}
	return key, err
}

// Stale says whether what is wrapped should be wrapped anew: the current
// provider cannot unwrap it but an old one can, or it is of an old version.
func (s Set) Stale(ctx context.Context, name string, wrapped []byte) (bool, error) {
	_, err := s.Current.Unwrap(ctx, name, wrapped)
	if errors.Is(err, ErrUnwrap) {
		_, err = s.Unwrap(ctx, name, wrapped)
		return err == nil, err
	}
	if versioned, ok := s.Current.(Versioned); ok && err == nil {
		return versioned.Outdated(ctx, wrapped)
	}
	return false, err
}

// Renew wraps anew what is stale. What it returns has been unwrapped and
// compared.
func (s Set) Renew(ctx context.Context, name string, wrapped []byte) (renewed []byte, err error) {
	key, err := s.Unwrap(ctx, name, wrapped)
	if err != nil {
		return nil, err
	}
	versioned, ok := s.Current.(Versioned)
	if _, wrong := s.Current.Unwrap(ctx, name, wrapped); ok && wrong == nil {
		renewed, err = versioned.Rewrap(ctx, name, wrapped)
	} else {
		renewed, err = s.Current.Wrap(ctx, name, key)
	}
	if err != nil {
		return nil, err
	}
	again, err := s.Current.Unwrap(ctx, name, renewed)
	if err != nil {
		return nil, fmt.Errorf("read back what was wrapped anew: %w", err)
	}
	if !bytes.Equal(again, key) {
		return nil, errors.New("what was wrapped anew is another key")
	}
	return renewed, nil
}
