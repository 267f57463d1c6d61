package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// ErrNotEmpty means that the catalog has vaults already.
var ErrNotEmpty = errors.New("the catalog is not empty")

// Step is what is done, or would be done, about one document.
type Step struct {
	Kind, ID string
	Made     bool // false: it is there already, and stays as it is
}

// Options say how a plan is carried out.
type Options struct {
	Store catalog.Store // nil when there is no catalog yet; only for a dry run
	// Merge adds to a catalog that has vaults already.
	Merge bool
	Dry   bool // only tell
	// Adopt enters the wrapped key of a repository; see keys.Ring.Adopt.
	Adopt func(ctx context.Context, k Key) (entered bool, err error)
}

// errDry undoes the transaction of a dry run.
var errDry = errors.New("dry run")

// Apply adds what is missing: keys first, then all documents in one transaction,
// so that no recovery point is listed that cannot be read. ErrNotEmpty when there
// is something to add to a catalog that has vaults and Merge was not asked for.
func (p Plan) Apply(ctx context.Context, o Options) ([]Step, error) {
	steps, err := p.write(ctx, o, true)
	if err != nil || o.Dry {
		return steps, err
	}
	for _, k := range p.Keys {
		if _, err := o.Adopt(ctx, k); err != nil {
			return nil, err
		}
	}
	return p.write(ctx, o, false)
}

func (p Plan) write(ctx context.Context, o Options, dry bool) (steps []Step, err error) {
	documents := p.documents()
	if o.Store == nil {
		for _, d := range documents {
			steps = append(steps, Step{d.kind, d.id, true})
		}
		return steps, nil
	}
	err = o.Store.Update(ctx, func(tx catalog.Tx) error {
		steps = nil
		vaults, err := inventory.Vaults.Below(tx, "")
		if err != nil {
			return err
		}
		made := false
		for _, d := range documents {
			missing, err := d.add(tx)
			if err != nil {
				return fmt.Errorf("%s %s: %w", d.kind, d.id, err)
			}
			made = made || missing
			steps = append(steps, Step{d.kind, d.id, missing})
		}
		switch {
		case !o.Dry && !o.Merge && len(vaults) > 0 && made:
			return ErrNotEmpty
		case dry:
			return errDry
		}
		return nil
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	return steps, err
}

// document is one of the plan's.
type document struct {
	kind, id string
	// add writes it where there is none.
	add func(catalog.Tx) (missing bool, err error)
}

// documents are all in the order in which one needs the other.
func (p Plan) documents() []document {
	return slices.Concat(
		those("subscription", inventory.Subscriptions, p.Subscriptions),
		those("resource group", inventory.ResourceGroups, p.Groups),
		those("user identity", inventory.UserIdentities, p.Identities),
		those("vault", inventory.Vaults, p.Vaults),
		those("policy", inventory.Policies, p.Policies),
		p.instances(),
		those("recovery point", inventory.RecoveryPoints, p.Points))
}

// instances leaves out those that the catalog has as deleted: they are kept there, and
// can be undeleted.
func (p Plan) instances() []document {
	all := those("instance", inventory.Instances, p.Instances)
	for i := range all {
		add, id, vault := all[i].add, all[i].id, p.Instances[i].VaultID()
		all[i].add = func(tx catalog.Tx) (bool, error) {
			_, err := inventory.Deleted.Get(tx, backup.DeletedID(id))
			if !errors.Is(err, catalog.ErrNotFound) {
				return false, err
			}
			missing, err := add(tx)
			if missing && err == nil {
				err = inventory.ForgetRoom(tx, vault)
			}
			return missing, err
		}
	}
	return all
}

func those[T any, P interface {
	*T
	Base() *backup.Meta
}](kind string, in inventory.Collection[T, P], all []T) []document {
	documents := make([]document, len(all))
	for i := range all {
		id := P(&all[i]).Base().ID
		documents[i] = document{kind, id, func(tx catalog.Tx) (bool, error) {
			_, err := in.Get(tx, id)
			if !errors.Is(err, catalog.ErrNotFound) {
				return false, err
			}
			return true, in.PutIf(tx, &all[i], catalog.IfAbsent)
		}}
	}
	return documents
}
