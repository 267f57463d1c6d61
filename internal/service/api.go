package service

import (
	"context"
	"net/http"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/provider"
	"holdfast.dev/holdfast/internal/provider/buckets"
	"holdfast.dev/holdfast/internal/signin"
)

// api builds the public API: sign-in in front, the resources behind it.
func (s *Service) api(ctx context.Context, storageRoot string, tokens provider.Tokens, secrets *keys.Sealer, regions backup.Regions) (http.Handler, error) {
	tenant, err := signin.EnsureTenant(ctx, s.store, "")
	if err != nil {
		return nil, err
	}
	key, err := signin.LoadKey(s.path("tls"))
	if err != nil {
		return nil, err
	}
	users := signin.New(signin.Config{
		Store: s.store, Clock: s.signIn(), Log: s.Log, Key: key, TenantID: tenant,
		BaseURL: s.URL, Audiences: s.urls(s.public)[1:],
	})
	principals := signin.Principals{Store: s.store, Clock: s.signIn(), TenantID: tenant}
	if err := ensureAdmin(ctx, s.Options, principals, s.URL); err != nil {
		return nil, err
	}
	platform := provider.NewPlatform(s.store, s.Clock, tenant, regions)
	product := provider.New(provider.Config{
		Store: s.store, Clock: s.Clock, TenantID: tenant, Buckets: buckets.Buckets{Root: storageRoot, Secrets: secrets},
		Tokens: tokens, Secrets: secrets, AgentAddress: s.AgentAddress, ServiceCA: s.ca, Folders: s.StoreFolders, Regions: regions, Daily: s.Daily,
	})
	server, err := arm.New(arm.Config{
		Types: platform.Types(product.Types()), Polls: append(platform.Polls(), product.Polls()...),
		Authenticator: users, Assignments: inventory.Grants{Store: s.store}, Scopes: platform,
		Store: s.store, Clock: s.Clock, Log: s.Log,
	})
	if err != nil {
		return nil, err
	}
	return users.Front(server), nil
}
