package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"golang.org/x/sync/errgroup"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// deleters is how many objects are deleted at once.
const deleters = 16

// CollectGarbage deletes what no recovery point needs, while others write,
// delete, replicate or collect garbage. It may be stopped at any moment, and
// begun again. The order makes it safe without a clock or a lock:
//
//	list packs ── announcements listed now are settled ── count what is needed: the plan
//	   └ so no pack that is condemned belongs to a writer at work
//	condemn ── announcements listed now are settled ── count again: what is needed of condemned packs is stored anew
//	   └ so whoever may rely on a condemned pack is counted; the others see the condemnation
//	index segments without the condemned packs ── packs ── condemnation
//
// A pack that is condemned always goes, so that it does not matter who carries
// that out, and how many do. ErrDamaged when pages of a recovery point are
// missing: what is below them must not be taken for garbage.
func (r *Repository) CollectGarbage(ctx context.Context, options GCOptions) (GCResult, error) {
	g := &collection{repo: r, options: options}
	err := g.run(ctx)
	return g.result, wrap(err, "collect garbage")
}

type collection struct {
	repo    *Repository
	options GCOptions
	result  GCResult
}

func (g *collection) run(ctx context.Context) error {
	candidates, err := g.repo.packs(ctx)
	if err == nil {
		err = g.settle(ctx)
	}
	if err == nil {
		err = g.plan(ctx, candidates)
	}
	if err == nil && len(g.result.Plan.Delete)+len(g.result.Plan.Rewrite) > 0 {
		err = g.condemn(ctx)
	}
	if err != nil {
		return err
	}
	if p := g.result.Plan; len(p.Delete)+len(p.Rewrite)+len(p.Pending) > 0 {
		if err := g.settle(ctx); err != nil {
			return err
		}
	}
	return g.execute(ctx)
}

func (g *collection) settle(ctx context.Context) error {
	voided, err := g.repo.settle(ctx, g.options)
	g.result.Voided = append(g.result.Voided, voided...)
	return err
}

func (g *collection) plan(ctx context.Context, candidates map[layout.ID]int64) error {
	v, err := g.repo.look(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	g.result.Plan, err = v.plan(ctx, candidates, g.options)
	if err == nil && g.result.Plan.pages > 0 {
		err = fmt.Errorf("%d pages of recovery points are missing: %w", g.result.Plan.pages, g.result.Plan.Damages[0])
	}
	return err
}

// condemn says which packs are going to be deleted.
func (g *collection) condemn(ctx context.Context) error {
	var packs []layout.ID
	for _, list := range [][]GCPack{g.result.Plan.Delete, g.result.Plan.Rewrite} {
		for _, one := range list {
			id, err := layout.ParseID(one.ID)
			if err != nil {
				return err
			}
			packs = append(packs, id)
		}
	}
	return g.repo.condemnPacks(ctx, packs)
}

// condemnPacks puts a condemnation.
func (r *Repository) condemnPacks(ctx context.Context, packs []layout.ID) error {
	doc := condemnation{Version: layout.Version}
	for _, id := range packs {
		doc.Packs = append(doc.Packs, id.String())
	}
	content, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("condemn packs: %w", err)
	}
	id := layout.NewID()
	return r.putDocument(ctx, layout.Condemned(id), seal.Condemned, id, content)
}

// execute carries out all condemnations there are, and tidies the index.
func (g *collection) execute(ctx context.Context) error {
	v, err := g.repo.look(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	if len(v.condemned) == 0 && g.result.Plan.Merge == 0 && len(v.leftover()) == 0 {
		g.result.Damages = g.result.Plan.Damages
		return nil
	}
	c, err := v.take(ctx)
	if err != nil {
		return err
	}
	if g.result.Damages = append(c.lost, v.damages...); c.pages > 0 {
		return fmt.Errorf("%d pages of recovery points are missing: %w", c.pages, c.lost[0])
	}
	pending, err := g.empty(ctx, c)
	if err != nil {
		return err
	}
	doomed := maps.Clone(v.gone)
	for id := range v.condemned {
		if pending[id] {
			g.result.Pending = append(g.result.Pending, id.String())
		} else {
			doomed[id] = true
		}
	}
	if err := g.reindex(ctx, v, v.chosen(doomed), doomed); err != nil {
		return err
	}
	return g.remove(ctx, v, pending)
}

// remove deletes the condemned packs, and the condemnations of which nothing is
// left.
func (g *collection) remove(ctx context.Context, v *view, pending map[layout.ID]bool) error {
	deleting, dctx := errgroup.WithContext(ctx)
	deleting.SetLimit(deleters)
	for id := range v.condemned {
		if size, there := v.packs[id]; there && !pending[id] {
			g.result.Deleted++
			g.result.Freed += size
			deleting.Go(func() error { return g.repo.store.Delete(dctx, layout.Pack(id)) })
		}
	}
	if err := deleting.Wait(); err != nil {
		return fmt.Errorf("delete packs: %w", err)
	}
	for id, packs := range v.lists {
		done := true
		for _, pack := range packs {
			done = done && !pending[pack]
		}
		if !done {
			continue
		}
		if err := g.repo.store.Delete(ctx, layout.Condemned(id)); err != nil {
			return fmt.Errorf("delete condemnation: %w", err)
		}
	}
	return nil
}

// empty stores again what is needed of condemned packs, and returns those of
// which something cannot be read.
func (g *collection) empty(ctx context.Context, c *census) (map[layout.ID]bool, error) {
	uses, err := c.uses()
	if err != nil {
		return nil, err
	}
	pending := map[layout.ID]bool{}
	w := c.view.repo.newWriter(ctx, layout.ID{}, c.view.avoid, WriterOptions{PackSize: carryPack, Workers: 1, Uploads: 1})
	defer func() { _ = w.Close() }() // what failed was told before
	into := w.newRuns(volumeFrame)
	for id := range c.view.condemned {
		if uses[id].kept == 0 {
			continue
		}
		whole, err := g.carry(ctx, c, id, w, into)
		if err != nil {
			return nil, err
		}
		if !whole {
			pending[id] = true
		}
	}
	if err := into.flush(); err != nil {
		return nil, err
	}
	if err := w.Flush(ctx); err != nil {
		return nil, err
	}
	g.result.Carried += w.Stats().NewBlocks
	g.result.Stored += w.Stats().BytesStored
	return pending, nil
}

// carryPack is the size in bytes of packs that what is needed of others is
// stored in.
const carryPack = 16 << 20

// carry stores again what is needed of one pack. It reports whether that was
// all there.
func (g *collection) carry(ctx context.Context, c *census, id layout.ID, w *Writer, into *runs) (bool, error) {
	names, err := c.needed(ctx, id)
	if err != nil {
		return false, err
	}
	whole := true
	for _, name := range names {
		content, err := c.view.repo.block(ctx, name)
		if d, ok := errors.AsType[*Damage](err); ok {
			whole = false
			g.result.Damages = append(g.result.Damages, d)
			continue
		}
		if err == nil {
			_, err = w.put(into, content)
		}
		if err != nil {
			return false, err
		}
	}
	return whole, nil
}

// needed lists the blocks of a condemned pack that are needed and in no pack
// that stays, in the order they lie in it.
func (c *census) needed(ctx context.Context, id layout.ID) (names []seal.Name, err error) {
	frames, err := c.view.repo.footer(ctx, id, c.view.packs[id])
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion) {
		return c.indexed(id)
	}
	for _, f := range frames {
		for _, b := range f.Blocks {
			needed, err := c.needs(b.Name)
			if err != nil {
				return nil, err
			}
			if needed {
				names = append(names, b.Name)
			}
		}
	}
	return names, err
}

// needs reports whether a block is needed and in no pack that stays.
func (c *census) needs(name seal.Name) (bool, error) {
	at, found, err := c.view.place(name)
	if err != nil || !found || !c.view.avoid[at.place.Pack] {
		return false, err
	}
	return c.live.has(at), nil
}

// indexed is needed, for a pack that cannot tell what is in it.
func (c *census) indexed(id layout.ID) (names []seal.Name, err error) {
	for _, s := range c.view.repo.places.order {
		if s.broken != nil {
			continue
		}
		for e, err := range s.All() {
			if err != nil {
				break // told as damage of the index
			}
			needed, err := c.needs(e.Name)
			if err != nil {
				return nil, err
			}
			if needed && e.Place.Pack == id {
				names = append(names, e.Name)
			}
		}
	}
	return names, nil
}
