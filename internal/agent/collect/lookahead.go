package collect

import (
	"context"
	"slices"
	"strings"
)

// lookAhead reads what must be known before the objects that depend on it come
// by in the order of their keys: which services have a selector, before their
// Endpoints; which cluster roles are bound, before the ClusterRoles.
func (c *collector) lookAhead(ctx context.Context, resources []Resource) error {
	for _, r := range resources {
		var see func(object) error
		switch {
		case r.Group == "" && r.Kind == "Service" && len(c.Namespaces) > 0:
			see = c.seeService
		case r.Group == rbacGroup && r.Kind == "ClusterRoleBinding" && !c.types.Excludes(r):
			see = func(o object) error {
				return c.needs.seeClusterBinding(o, func(namespace string) bool { return c.selected[namespace] })
			}
		default:
			continue
		}
		if err := c.scan(ctx, r, see); err != nil {
			return err
		}
	}
	return nil
}

// scan shows every object of a kind to see. A kind that cannot be read now is
// reported now: when it is its turn to be collected, it may be read again, but
// what depends on it is missing all the same.
func (c *collector) scan(ctx context.Context, r Resource, see func(object) error) error {
	l := &lister{client: c.Client, resource: r}
	for _, namespace := range c.scopes(r) {
		err := l.list(ctx, namespace, func(objects []object) error {
			for _, o := range objects {
				if err := see(o); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			warnings, err := unread(ctx, r, err)
			c.summary.Warnings = append(c.summary.Warnings, warnings...)
			return err
		}
	}
	return nil
}

func (c *collector) seeService(o object) error {
	var service struct {
		Spec struct {
			Selector map[string]string `json:"selector"`
		} `json:"spec"`
	}
	if err := o.decode(&service); err != nil {
		return err
	}
	if len(service.Spec.Selector) > 0 {
		c.services[o.meta.Metadata.Namespace+"/"+o.meta.Metadata.Name] = true
	}
	return nil
}

// scopes are the namespaces to list a kind in; "" is all at once. A few of many
// namespaces are listed one by one, so that a small selection in a large
// cluster reads little.
func (c *collector) scopes(r Resource) []string {
	few := len(c.Namespaces) <= 4 || len(c.Namespaces) <= 20 && len(c.Namespaces) <= c.Existing/10
	if r.Namespaced && few {
		return c.Namespaces
	}
	return []string{""}
}

// ownDefinition says whether an object is the definition of a kind that is
// never collected itself.
func ownDefinition(r Resource, name string) bool {
	if r.Kind != "CustomResourceDefinition" {
		return false
	}
	_, group, _ := strings.Cut(name, ".")
	return slices.Contains(derivedKinds[group], "*")
}
