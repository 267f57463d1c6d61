package provider

import (
	"context"
	"net/http"
	"slices"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/resourceid"
)

func (p *Platform) tenants() arm.Type {
	return arm.Type{Name: "Microsoft.Resources/tenants",
		Lists: []arm.List{{Path: "/tenants", Handler: p.listTenants, Open: true}}}
}

func (p *Platform) listTenants(_ context.Context, r *arm.Request) (*arm.Response, error) {
	tenant := v1.Tenant{ID: "/tenants/" + p.tenantID, TenantID: p.tenantID, DisplayName: "Holdfast", TenantCategory: "Home"}
	return arm.PageOf(r, []v1.Tenant{tenant}, func(t v1.Tenant) string { return t.ID })
}

func (p *Platform) subscriptions() arm.Type {
	return arm.Type{
		Name: resourceid.TypeSubscription, Path: subscriptionPath, FromBelow: true,
		Get:   p.getSubscription,
		Lists: []arm.List{{Path: "/subscriptions", Handler: p.listSubscriptions}},
	}
}

func (p *Platform) getSubscription(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var s *inventory.Subscription
	err := p.store.View(ctx, func(tx catalog.Tx) (err error) {
		s, err = inventory.Subscriptions.Get(tx, r.ID.Key())
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.OK(p.subscriptionTo(*s)), nil
}

func (p *Platform) listSubscriptions(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var all []v1.Subscription
	err := p.store.View(ctx, func(tx catalog.Tx) error {
		found, err := inventory.Subscriptions.Below(tx, "/subscriptions")
		for _, s := range found {
			all = append(all, p.subscriptionTo(s))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.PageOf(r, all, func(s v1.Subscription) string { return s.ID })
}

func (p *Platform) subscriptionTo(s inventory.Subscription) v1.Subscription {
	return v1.Subscription{
		ID: s.ID, SubscriptionID: s.Name(), TenantID: p.tenantID, DisplayName: s.DisplayName,
		State: "Enabled", AuthorizationSource: "RoleBased", ManagedByTenants: []string{},
		Policies: v1.SubscriptionPolicies{LocationPlacementID: "Public_2014-09-01", QuotaID: "PayAsYouGo_2014-09-01", SpendingLimit: "Off"},
	}
}

// registrations shows every namespace as registered: nothing has to be
// switched on, but clients ask.
func (p *Platform) registrations(all []arm.Type) arm.Type {
	namespaces := namespacesOf(all)
	const name = "Microsoft.Resources/subscriptions/providers"
	get := func(_ context.Context, r *arm.Request) (*arm.Response, error) {
		for _, n := range namespaces {
			if strings.EqualFold(n.Namespace, r.Params["namespace"]) {
				return arm.OK(inSubscription(n, r.ID)), nil
			}
		}
		return nil, &arm.Error{Status: http.StatusNotFound, Code: "InvalidResourceNamespace",
			Message: "The resource namespace '" + r.Params["namespace"] + "' is invalid."}
	}
	list := func(_ context.Context, r *arm.Request) (*arm.Response, error) {
		shown := make([]v1.ProviderNamespace, len(namespaces))
		for i, n := range namespaces {
			shown[i] = inSubscription(n, r.ID)
		}
		return arm.PageOf(r, shown, func(n v1.ProviderNamespace) string { return n.ID })
	}
	return arm.Type{
		Name: name,
		Lists: []arm.List{{Path: subscriptionPath + "/providers", Handler: list,
			Action: "Microsoft.Resources/subscriptions/read"}},
		Actions: []arm.Action{
			{Path: subscriptionPath, Name: "providers/{namespace}", Method: http.MethodGet, Handler: get,
				Action: "Microsoft.Resources/subscriptions/providers/read"},
			{Path: subscriptionPath, Name: "providers/{namespace}/register", Handler: get,
				Action: "Microsoft.Resources/subscriptions/providers/register/action"},
		},
	}
}

func inSubscription(n v1.ProviderNamespace, subscription resourceid.ID) v1.ProviderNamespace {
	n.ID = subscription.String() + "/providers/" + n.Namespace
	return n
}

// namespacesOf gathers the types by their first word, both in order of names.
func namespacesOf(types []arm.Type) []v1.ProviderNamespace {
	byName := map[string]*v1.ProviderNamespace{}
	for _, t := range types {
		namespace, kind, _ := strings.Cut(t.Name, "/")
		n := byName[namespace]
		if n == nil {
			n = &v1.ProviderNamespace{Namespace: namespace, RegistrationState: "Registered"}
			byName[namespace] = n
		}
		versions := []string{newestVersion}
		if t.MinVersion != "" && t.MinVersion != newestVersion {
			versions = append(versions, t.MinVersion)
		}
		n.ResourceTypes = append(n.ResourceTypes, v1.ProviderType{ResourceType: kind, Locations: []string{}, APIVersions: versions})
	}
	all := make([]v1.ProviderNamespace, 0, len(byName))
	for _, n := range byName {
		slices.SortFunc(n.ResourceTypes, func(a, b v1.ProviderType) int { return strings.Compare(a.ResourceType, b.ResourceType) })
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b v1.ProviderNamespace) int { return strings.Compare(a.Namespace, b.Namespace) })
	return all
}

// newestVersion is the api-version shown to clients that choose one themselves.
const newestVersion = "2026-03-01"
