package provider

import (
	"context"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const (
	typeContainer = typeAccount + "/blobServices/containers"
	containerPath = accountPath + "/blobServices/{service}/containers/{container}"
)

func (p *Provider) containers() arm.Type {
	return arm.Type{
		Name: typeContainer, Path: containerPath,
		Get: get(p.Store, inventory.Containers.Get, alone(containerTo)), Put: p.putContainer, Delete: remove(p.Store, inventory.Containers.Get, forgetContainer),
		Lists: []arm.List{{Path: accountPath + "/blobServices/{service}/containers",
			Handler: list(p.Store, accountExists, inventory.Containers.Page, alone(containerTo))}},
	}
}

// accountExists looks for the account of a list of containers.
func accountExists(tx catalog.Tx, id string) error {
	_, err := inventory.Accounts.Get(tx, backup.AccountOfContainer(id))
	return err
}

// putContainer makes the container in the real store first: a document always
// stands for something that is there.
func (p *Provider) putContainer(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.Container
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	c := &backup.Container{}
	c.ID = r.ID.String()
	if in.Properties != nil {
		c.Metadata = in.Properties.Metadata
	}
	if err := refuse(c.CheckName()); err != nil {
		return nil, err
	}
	if r.Params["service"] != "default" {
		return nil, refuse(backup.Invalid("id", "the blob service is named default, not %q", r.Params["service"]))
	}
	if err := p.createBucket(ctx, r, c); err != nil {
		return nil, err
	}
	var created bool
	err := p.Store.Update(ctx, func(tx catalog.Tx) error {
		old, err := existing(inventory.Containers.Get(tx, c.ID))
		if err != nil {
			return err
		}
		if err := r.Match(etagOf(baseOf(old))); err != nil {
			return err
		}
		created = old == nil
		stamp(&c.Meta, baseOf(old), r, p.Clock.Now())
		return inventory.Containers.Put(tx, c)
	})
	if err != nil {
		return nil, err
	}
	return createdOr(created, containerTo(c)).WithETag(c.ETag), nil
}

func (p *Provider) createBucket(ctx context.Context, r *arm.Request, c *backup.Container) error {
	var account *backup.StorageAccount
	err := p.Store.View(ctx, func(tx catalog.Tx) (err error) {
		account, err = existing(inventory.Accounts.Get(tx, c.AccountID()))
		return err
	})
	if err != nil {
		return err
	}
	if account == nil {
		return arm.ParentNotFound(r.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	if err := p.Buckets.Create(ctx, *account, c.Name()); err != nil {
		return refuse(backup.NewProblem(backup.CodeContainerUnreachable, c.ID, "container %s cannot be created: %v", c.Name(), err))
	}
	return nil
}

// forgetContainer removes the document of a container that nothing uses. The
// service never deletes what is in the real store: it may be somebody's last
// backup.
func forgetContainer(tx catalog.Tx, _ *arm.Request, c *backup.Container) error {
	users, err := inventory.Extensions.With(tx, inventory.LabelContainer, backup.Key(c.ID))
	if err != nil {
		return err
	}
	points, err := inventory.RecoveryPoints.With(tx, inventory.LabelContainer, backup.Key(c.ID))
	if err != nil {
		return err
	}
	if len(users)+len(points) > 0 {
		return refuse(backup.NewProblem(backup.CodeDependentResources, c.ID,
			"container %s is the storage location of %d extensions and holds %d recovery points", c.Name(), len(users), len(points)))
	}
	return inventory.Containers.Delete(tx, c.ID)
}

func containerTo(c *backup.Container) v1.Container {
	out := v1.Container{Resource: envelope(&c.Meta), Properties: &v1.ContainerProperties{
		Metadata: c.Metadata, PublicAccess: "None",
	}}
	out.SystemData = nil // containers have none
	return out
}
