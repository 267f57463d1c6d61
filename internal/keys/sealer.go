package keys

import (
	"context"
	"fmt"
)

// Sealer seals short secrets for documents of the catalog, such as the keys of
// stores. Each is bound to its owner: the id of its document, with the name of
// the secret where the document has several.
type Sealer struct {
	provider Provider
}

// NewSealer returns a sealer by the key of provider.
func NewSealer(provider Provider) *Sealer { return &Sealer{provider} }

// Seal returns what may be stored; nil for no secret.
func (s *Sealer) Seal(ctx context.Context, owner, secret string) ([]byte, error) {
	if secret == "" {
		return nil, nil
	}
	sealed, err := s.provider.Wrap(ctx, secretOf(owner), []byte(secret))
	if err != nil {
		return nil, fmt.Errorf("seal the secret of %s: %w", owner, err)
	}
	return sealed, nil
}

// Open returns what Seal sealed for the same owner. It must stay in memory.
func (s *Sealer) Open(ctx context.Context, owner string, sealed []byte) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	secret, err := s.provider.Unwrap(ctx, secretOf(owner), sealed)
	if err != nil {
		return "", fmt.Errorf("open the secret of %s: %w", owner, err)
	}
	return string(secret), nil
}

// Renew wraps what Seal sealed for the same owner anew, when it is stale.
// renewed is nil when it is not. With dry it is not done, and only said.
func (s *Sealer) Renew(ctx context.Context, owner string, sealed []byte, dry bool) (renewed []byte, stale bool, err error) {
	set, ok := s.provider.(Set)
	if !ok || len(sealed) == 0 {
		return nil, false, nil
	}
	if stale, err = set.Stale(ctx, secretOf(owner), sealed); err == nil && stale && !dry {
		renewed, err = set.Renew(ctx, secretOf(owner), sealed)
	}
	if err != nil {
		return nil, stale, fmt.Errorf("secret of %s: %w", owner, err)
	}
	return renewed, stale, nil
}

// secretOf keeps secrets apart from the keys of repositories, whose names are
// bare ids: neither can be put in the other's place.
func secretOf(owner string) string { return "secret of " + owner }
