package provider

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
	"holdfast.dev/holdfast/internal/resourceid"
)

// pollGroupDelete is how ARM clients follow the deletion of a group.
var pollGroupDelete = arm.Poll{Result: subscriptionPath + "/operationresults/{operation}"}

func (p *Platform) resourceGroups() arm.Type {
	return arm.Type{
		Name: resourceid.TypeResourceGroup, Path: groupPath, FromBelow: true,
		Get: p.getGroup, Head: p.headGroup, Put: p.putGroup, Patch: p.patchGroup, Delete: p.deleteGroup,
		Lists: []arm.List{{Path: subscriptionPath + "/resourceGroups", Handler: p.listGroups}},
	}
}

// groupResources lists what a group or a subscription holds.
func (p *Platform) groupResources() arm.Type {
	return arm.Type{
		Name: "Microsoft.Resources/subscriptions/resources",
		Lists: []arm.List{
			{Path: groupPath + "/resources", Handler: p.listGroupResources, Action: "Microsoft.Resources/subscriptions/resourceGroups/read"},
		},
	}
}

func (p *Platform) readGroup(ctx context.Context, id resourceid.ID) (g *inventory.ResourceGroup, err error) {
	err = p.store.View(ctx, func(tx catalog.Tx) error {
		g, err = inventory.ResourceGroups.Get(tx, id.Key())
		return err
	})
	return g, err
}

func (p *Platform) getGroup(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	g, err := p.readGroup(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return arm.OK(groupTo(*g)).WithETag(g.ETag), nil
}

func (p *Platform) headGroup(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	if _, err := p.readGroup(ctx, r.ID); err != nil {
		return nil, err
	}
	return arm.NoContent(), nil
}

func (p *Platform) listGroups(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var shown []v1.ResourceGroup
	var next string
	err := p.store.View(ctx, func(tx catalog.Tx) error {
		groups, after, err := inventory.ResourceGroups.Page(tx, r.ID.Key()+"/resourcegroups", r.After(), r.Limit())
		for _, g := range groups {
			shown = append(shown, groupTo(g))
		}
		next = after
		return err
	})
	if err != nil {
		return nil, err
	}
	return arm.Page(r, shown, v1.ResourceGroup.ResourceID, next)
}

var groupNameForm = regexp.MustCompile(`^[\p{L}\p{N}_.()-]{1,90}$`)

func (p *Platform) putGroup(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.ResourceGroup
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if name := r.ID.Name(); !groupNameForm.MatchString(name) || strings.HasSuffix(name, ".") {
		return nil, arm.Refused(http.StatusBadRequest, "InvalidResourceGroup", "name",
			"The resource group name '%s' is invalid: up to 90 letters, digits, underscores, dots, hyphens and parentheses, not ending in a dot.", name)
	}
	if in.Location == "" {
		return nil, arm.Refused(http.StatusBadRequest, "LocationRequired", "location", "The location property is required for this definition.")
	}
	g := inventory.ResourceGroup{Meta: backup.Meta{Location: plainLocation(in.Location), Tags: in.Tags}, ManagedBy: in.ManagedBy}
	status := http.StatusCreated
	err := p.store.Update(ctx, func(tx catalog.Tx) error {
		old, err := existing(inventory.ResourceGroups.Get(tx, r.ID.Key()))
		if err != nil {
			return err
		}
		var meta *backup.Meta
		if old != nil {
			meta, status = &old.Meta, http.StatusOK
		}
		if err := r.Match(etagOf(meta)); err != nil {
			return err
		}
		if old != nil && old.Location != g.Location {
			return arm.Conflict("InvalidResourceGroupLocation",
				"Invalid resource group location '%s'. The resource group already exists in location '%s'.", in.Location, old.Location)
		}
		stamp(&g.Meta, meta, r, p.clock.Now())
		return inventory.ResourceGroups.Put(tx, &g)
	})
	if err != nil {
		return nil, err
	}
	return (&arm.Response{Status: status, Body: groupTo(g)}).WithETag(g.ETag), nil
}

func (p *Platform) patchGroup(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.ResourceGroupPatch
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	var g *inventory.ResourceGroup
	err := p.store.Update(ctx, func(tx catalog.Tx) (err error) {
		if g, err = inventory.ResourceGroups.Get(tx, r.ID.Key()); err != nil {
			return err
		}
		if err := r.Match(g.ETag); err != nil {
			return err
		}
		if in.Tags != nil {
			g.Tags = in.Tags
		}
		if in.ManagedBy != nil {
			g.ManagedBy = *in.ManagedBy
		}
		old := g.Meta
		stamp(&g.Meta, &old, r, p.clock.Now())
		return inventory.ResourceGroups.Put(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return arm.OK(groupTo(*g)).WithETag(g.ETag), nil
}

// deleteGroup refuses while anything is in the group: backups must not vanish
// by the deletion of a folder.
func (p *Platform) deleteGroup(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var op operations.Record
	err := p.store.Update(ctx, func(tx catalog.Tx) error {
		g, err := inventory.ResourceGroups.Get(tx, r.ID.Key())
		if err != nil {
			return err
		}
		if err := r.Match(g.ETag); err != nil {
			return err
		}
		if err := errors.Join(refuseNonEmpty(tx, g.ID), refuseSnapshots(tx, g.ID)); err != nil {
			return err
		}
		if err := inventory.DeleteAssignmentsIn(tx, r.ID); err != nil {
			return err
		}
		if err := inventory.ResourceGroups.Delete(tx, g.ID); err != nil {
			return err
		}
		op, err = operations.StartDone(tx, p.clock.Now(), operations.Record{
			Action: resourceid.TypeResourceGroup + "/delete", Resource: g.ID, Location: g.Location,
			Starter: r.Principal.ObjectID, ResultIsResource: true})
		return err
	})
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, arm.NotFound(r.ID)
	} else if err != nil {
		return nil, err
	}
	return arm.Accepted(op, pollGroupDelete), nil
}

func refuseNonEmpty(tx catalog.Tx, group string) error {
	held, err := inventory.InGroup(tx, group)
	if err != nil || len(held) == 0 {
		return err
	}
	names := make([]string, len(held))
	for i, m := range held {
		names[i] = m.ID
	}
	return arm.Conflict("ResourceGroupNotEmpty",
		"The resource group still holds %d resources: delete them first. They are %s.", len(held), strings.Join(names, ", "))
}

// refuseSnapshots keeps a group in which instances have their snapshots:
// without it they could neither back up nor restore.
func refuseSnapshots(tx catalog.Tx, group string) error {
	users, err := inventory.Instances.With(tx, inventory.LabelSnapshots, backup.Key(group))
	if err != nil || len(users) == 0 {
		return err
	}
	names := make([]string, len(users))
	for i := range users {
		names[i] = users[i].ID
	}
	return refuse(backup.NewProblem(backup.CodeSnapshotGroupInUse, group,
		"%d backup instances have their snapshots in the resource group: %s", len(users), strings.Join(names, ", ")))
}

func (p *Platform) listGroupResources(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var held []backup.Meta
	err := p.store.View(ctx, func(tx catalog.Tx) (err error) {
		held, err = inventory.InGroup(tx, r.ID.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	shown := make([]v1.Resource, len(held))
	for i := range held {
		shown[i] = envelope(&held[i])
	}
	return arm.PageOf(r, shown, v1.Resource.ResourceID)
}

func groupTo(g inventory.ResourceGroup) v1.ResourceGroup {
	out := v1.ResourceGroup{Resource: envelope(&g.Meta), ManagedBy: g.ManagedBy,
		Properties: &v1.ResourceGroupProperties{ProvisioningState: "Succeeded"}}
	// In documents the type goes by its short name.
	out.Type, out.SystemData = "Microsoft.Resources/resourceGroups", nil
	return out
}
