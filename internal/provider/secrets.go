package provider

import (
	"context"
	"maps"

	"holdfast.dev/holdfast/internal/backup"
)

// Sealer seals secrets for the catalog, each bound to its owner.
type Sealer interface {
	Seal(ctx context.Context, owner, secret string) (sealed []byte, err error)
	Open(ctx context.Context, owner string, sealed []byte) (secret string, err error)
}

// sealSettings seals protected settings of an extension. One that have holds
// with the same value keeps its sealed form: sealing the same twice gives
// different bytes, and declaring the same again must change nothing.
func (p *Provider) sealSettings(ctx context.Context, e *backup.Extension, values map[string]string, have map[string]backup.Sealed) (map[string]backup.Sealed, error) {
	if values == nil {
		return nil, nil
	}
	all := make(map[string]backup.Sealed, len(values))
	for name, value := range values {
		owner := e.SettingOwner(name)
		if old, err := p.Secrets.Open(ctx, owner, have[name]); err == nil && old == value {
			all[name] = have[name]
			continue
		}
		sealed, err := p.Secrets.Seal(ctx, owner, value)
		if err != nil {
			return nil, err
		}
		all[name] = sealed
	}
	return all, nil
}

// overlay returns base with changes put over it; nil when both are.
func overlay(base, changes map[string]backup.Sealed) map[string]backup.Sealed {
	if changes == nil {
		return base
	}
	merged := maps.Clone(base)
	if merged == nil {
		merged = map[string]backup.Sealed{}
	}
	maps.Copy(merged, changes)
	return merged
}
