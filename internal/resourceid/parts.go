package resourceid

import "strings"

// The types of the two scopes that no provider path names.
const (
	TypeSubscription  = "Microsoft.Resources/subscriptions"
	TypeResourceGroup = "Microsoft.Resources/subscriptions/resourceGroups"
)

// Subscription returns the subscription's name, or "" above one.
func (id ID) Subscription() string {
	if len(id.segments) < 2 || id.segments[0] != "subscriptions" {
		return ""
	}
	return id.segments[1]
}

// ResourceGroup returns the resource group's name, or "" outside of one.
func (id ID) ResourceGroup() string {
	if len(id.segments) < 4 || id.segments[2] != "resourceGroups" {
		return ""
	}
	return id.segments[3]
}

// ResourceGroupID returns the scope of the resource group, or Root outside of one.
func (id ID) ResourceGroupID() ID {
	if id.ResourceGroup() == "" {
		return Root
	}
	return ID{id.segments[:4:4]}
}

// SubscriptionID returns the scope of the subscription, or Root above one.
func (id ID) SubscriptionID() ID {
	if id.Subscription() == "" {
		return Root
	}
	return ID{id.segments[:2:2]}
}

// Name returns the last segment, "" for Root.
func (id ID) Name() string {
	if id.IsRoot() {
		return ""
	}
	return id.segments[len(id.segments)-1]
}

// provider returns the position of the last "providers" word, or -1. Names
// stand at odd distance from the word they belong to, so a resource that is
// itself named "providers" is not mistaken for it.
func (id ID) provider() int {
	at := -1
	for i := 0; i < len(id.segments); i += 2 {
		if id.segments[i] == "providers" {
			at = i
		}
	}
	return at
}

// Type returns the full type, such as "Microsoft.Web/sites/slots"; "" for Root.
func (id ID) Type() string {
	at := id.provider()
	if at < 0 {
		switch len(id.segments) {
		case 0:
			return ""
		case 2:
			return TypeSubscription
		default:
			return TypeResourceGroup
		}
	}
	parts := []string{id.segments[at+1]}
	for i := at + 2; i < len(id.segments); i += 2 {
		parts = append(parts, id.segments[i])
	}
	return strings.Join(parts, "/")
}

// HasType compares the full type without regard to case.
func (id ID) HasType(name string) bool { return strings.EqualFold(id.Type(), name) }

// Parent returns the id one level up: the enclosing resource, for a top-level
// or extension resource the scope it lives in, for Root itself.
func (id ID) Parent() ID {
	n := len(id.segments)
	if n == 0 {
		return Root
	}
	if at := id.provider(); at >= 0 && n-at == 4 {
		return ID{id.segments[:at:at]}
	}
	return ID{id.segments[: n-2 : n-2]}
}

// Contains tells whether other is this scope or lies in it.
func (id ID) Contains(other ID) bool {
	if len(other.segments) < len(id.segments) {
		return false
	}
	head := ID{other.segments[:len(id.segments)]}
	return id.Equal(head)
}

// Child returns {id}/{kind}/{name}; kind is one word such as "slots", or
// "resourceGroups" below a subscription.
func (id ID) Child(kind, name string) (ID, error) {
	return Parse(strings.TrimSuffix(id.String(), "/") + "/" + kind + "/" + name)
}

// Resource returns {id}/providers/{fullType}/{name} with fullType such as
// "Microsoft.Web/sites": a top-level resource of a group, or an extension of
// any scope.
func (id ID) Resource(fullType, name string) (ID, error) {
	return Parse(strings.TrimSuffix(id.String(), "/") + "/providers/" + fullType + "/" + name)
}
