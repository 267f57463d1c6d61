package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// Reindex makes the index anew from what packs say of themselves: one segment
// replaces all there are, also those that cannot be read. Others may write
// meanwhile. It returns how many segments were replaced.
func (r *Repository) Reindex(ctx context.Context) (int, error) {
	g := &collection{repo: r}
	err := g.rebuild(ctx)
	return g.result.Replaced, wrap(err, "rebuild index")
}

func (g *collection) rebuild(ctx context.Context) error {
	v, err := g.repo.look(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	if _, err := v.broken(); err != nil {
		return err
	}
	if err := v.adopt(ctx, v.bare(true)); err != nil {
		return err
	}
	return g.reindex(ctx, v, slices.Clone(v.repo.places.order), v.gone)
}

// RepairOptions say where what is damaged may be taken from.
type RepairOptions struct {
	// From are replicas: repositories with the same id and data key. Without any,
	// only what is stored twice is healed; but the next backup stores again what
	// it still has of the blocks in packs that Repair condemned.
	From []*Repository
	// Alone says that nobody collects garbage in this repository now. Only then
	// are condemnations that cannot be read removed.
	Alone bool
	// Dry changes nothing: the report tells what would be done, and Healed counts
	// blocks that a replica has, without the bytes they would take.
	Dry bool
}

// RepairReport is what repairing did, or would do.
type RepairReport struct {
	Healed    int64    // blocks stored again
	Stored    int64    // bytes of packs and segments
	Condemned []string // damaged packs: CollectGarbage deletes them once nothing needs them
	Segments  int      // index segments replaced
	Manifests []string // recovery points whose manifest was put back
	// Lost are those who still miss something.
	Lost []Affected
}

// Repair heals what VerifyPoints found. Nothing that might still be of use is
// deleted: damaged packs are condemned, what is needed of them is stored in new
// ones, and a damaged manifest is replaced only when a replica has it. Repairing
// again, also after being stopped, is no error; with the same report it goes on
// where it was stopped.
func (r *Repository) Repair(ctx context.Context, found VerifyReport, options RepairOptions) (RepairReport, error) {
	p := &repair{repo: r, options: options, bad: map[layout.ID]bool{}}
	err := p.run(ctx, found)
	return p.report, wrap(err, "repair")
}

type repair struct {
	repo    *Repository
	options RepairOptions
	bad     map[layout.ID]bool // packs
	report  RepairReport
}

func (p *repair) run(ctx context.Context, found VerifyReport) error {
	for _, from := range p.options.From {
		if !replicas(p.repo, from) {
			return fmt.Errorf("repository %s is not a replica of this one", from.ID())
		}
	}
	reindex := false
	for _, f := range found.Findings {
		if id, err := layout.ParsePack(f.Object); err == nil {
			p.bad[id] = true
		}
		reindex = reindex || f.Object == "" || strings.HasPrefix(f.Object, layout.Indexes)
		if err := p.document(ctx, f); err != nil {
			return err
		}
	}
	if err := p.condemn(ctx); err != nil {
		return err
	}
	if reindex && !p.options.Dry {
		replaced, err := p.repo.Reindex(ctx)
		if p.report.Segments = replaced; err != nil {
			return err
		}
	}
	return p.heal(ctx, found.Damaged(), reindex && p.options.Dry)
}

// document replaces a damaged manifest, or removes another damaged document.
func (p *repair) document(ctx context.Context, f Finding) error {
	if errors.Is(f.Err, ErrVersion) {
		return nil
	}
	if id, err := layout.Parse(layout.Manifests, f.Object); err == nil {
		return p.manifest(ctx, id)
	}
	if p.options.Dry {
		return nil
	}
	spent := strings.HasPrefix(f.Object, layout.Condemneds) && p.options.Alone
	if id, err := layout.Parse(layout.Writers, f.Object); err == nil {
		if spent, err = p.repo.settled(ctx, id); err != nil { // one at work counts by its name alone
			return err
		}
	}
	if spent {
		return wrap(p.repo.store.Delete(ctx, f.Object), "delete damaged "+f.Object)
	}
	return nil
}

// manifest puts a manifest back. The announcement keeps garbage from being
// collected while there is none.
func (p *repair) manifest(ctx context.Context, point layout.ID) error {
	_, err := p.repo.Manifest(ctx, point.String())
	if errors.Is(err, ErrNoRecoveryPoint) {
		var cutOff bool
		if cutOff, err = p.cutOff(ctx, point); err == nil && !cutOff {
			return nil // deleted meanwhile
		}
	} else if errors.Is(err, ErrDamaged) {
		err = nil
	} else if err == nil || errors.Is(err, ErrVoid) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, from := range p.options.From {
		if _, err := from.Manifest(ctx, point.String()); err != nil {
			continue
		}
		if p.options.Dry {
			p.report.Manifests = append(p.report.Manifests, point.String())
			return nil
		}
		if err := p.repo.announce(ctx, point); err != nil {
			return err
		}
		if err := p.repo.store.Delete(ctx, layout.Manifest(point)); err != nil {
			return fmt.Errorf("delete damaged manifest: %w", err)
		}
		if err := from.copyManifest(ctx, point, p.repo); err != nil {
			return err
		}
		p.repo.retract(ctx, point)
		p.report.Manifests = append(p.report.Manifests, point.String())
		return nil
	}
	return nil
}

// cutOff reports whether an earlier repair of a manifest was stopped after it
// had deleted the damaged one: whoever deletes a recovery point deletes its
// announcement first.
func (p *repair) cutOff(ctx context.Context, point layout.ID) (bool, error) {
	_, err := p.repo.store.Stat(ctx, layout.Writer(point))
	if errors.Is(err, objstore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// condemn makes that nobody relies on the damaged packs any more.
func (p *repair) condemn(ctx context.Context) error {
	known, err := p.repo.condemned(ctx)
	if err != nil {
		return err
	}
	var packs []layout.ID
	for id := range p.bad {
		_, err := p.repo.store.Stat(ctx, layout.Pack(id))
		if err == nil && !known[id] {
			packs = append(packs, id)
			p.report.Condemned = append(p.report.Condemned, id.String())
		}
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
	}
	if len(packs) == 0 || p.options.Dry {
		return nil
	}
	return p.repo.condemnPacks(ctx, packs)
}

// heal stores again what the recovery points need and cannot read. adopted says to go
// by what packs say of themselves, as after making the index anew.
func (p *repair) heal(ctx context.Context, points []string, adopted bool) error {
	v, err := p.viewed(ctx, adopted)
	if err != nil {
		return err
	}
	defer v.close()
	for id := range v.avoid {
		p.bad[id] = true
	}
	h := &healing{repair: p, view: v, walked: map[seal.Name]bool{}, planned: map[seal.Name]bool{}}
	if p.options.Dry {
		err = h.points(ctx, points)
		p.report.Healed = int64(len(h.planned))
		return err
	}
	w := v.repo.newWriter(ctx, layout.ID{}, p.bad, WriterOptions{PackSize: carryPack, Workers: 1, Uploads: 1})
	defer func() { _ = w.Close() }() // what failed was told before
	h.writer, h.into = w, w.newRuns(volumeFrame)
	if err := h.points(ctx, points); err != nil {
		return err
	}
	if err := h.into.flush(); err != nil {
		return err
	}
	err = w.Flush(ctx)
	p.report.Healed, p.report.Stored = w.Stats().NewBlocks, w.Stats().BytesStored
	return err
}

// viewed looks at the repository as it is to be healed.
func (p *repair) viewed(ctx context.Context, adopted bool) (*view, error) {
	if !adopted {
		return p.repo.look(ctx)
	}
	v, err := p.repo.inspect(ctx, func(string, error) {}) // they were found before
	if err != nil {
		return nil, err
	}
	if _, err = v.broken(); err == nil {
		err = v.adopt(ctx, v.bare(true))
	}
	if err != nil {
		v.close()
		return nil, err
	}
	v.repo.places.fixed = true
	return v, nil
}

// healing stores blocks again.
type healing struct {
	*repair
	view    *view
	writer  *Writer // with into; nil when nothing is stored
	into    *runs
	walked  map[seal.Name]bool // pages of which nothing below is missing
	planned map[seal.Name]bool // blocks that a dry run would store again
}

func (h *healing) points(ctx context.Context, points []string) error {
	for _, id := range points {
		m, err := h.manifestOf(ctx, id)
		switch {
		case errors.Is(err, ErrDamaged), errors.Is(err, ErrVersion):
			h.report.Lost = append(h.report.Lost, Affected{Point: id})
			continue
		case errors.Is(err, ErrVoid), errors.Is(err, ErrNoRecoveryPoint):
			continue
		case err == nil:
			err = h.point(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// manifestOf reads a manifest; on a dry run also one that would be put back.
func (h *healing) manifestOf(ctx context.Context, id string) (Manifest, error) {
	m, err := h.view.repo.Manifest(ctx, id)
	if !h.options.Dry || !errors.Is(err, ErrDamaged) {
		return m, err
	}
	for _, from := range h.options.From {
		if m, failed := from.Manifest(ctx, id); failed == nil {
			return m, nil
		}
	}
	return m, err
}

func (h *healing) point(ctx context.Context, m Manifest) error {
	for _, ref := range m.Streams {
		missed, pages := false, []seal.Name{}
		w := walker{
			enter: func(name seal.Name) (bool, error) { return !h.walked[name], nil },
			leave: func(name seal.Name) { pages = append(pages, name) },
			read:  h.bring,
			lost:  func(seal.Name, error) error { missed = true; return nil },
			leaf: func(name seal.Name, _ func([]byte) error) error {
				found, err := h.good(name)
				if !found && err == nil {
					_, err = h.bring(ctx, name)
				}
				if errors.Is(err, ErrDamaged) {
					missed, err = true, nil
				}
				return err
			},
		}
		if err := w.stream(ctx, ref); err != nil {
			return fmt.Errorf("recovery point %s: %w", m.ID, ofStream(ref.Name, err))
		}
		if missed {
			h.report.Lost = append(h.report.Lost, Affected{Point: m.ID, Stream: ref.Name, Volume: claimOf(m, ref.Name)})
			continue
		}
		for _, name := range pages {
			h.walked[name] = true
		}
	}
	return nil
}

// good reports whether a block is in a pack that is not damaged.
func (h *healing) good(name seal.Name) (bool, error) {
	_, found, err := h.view.repo.places.find(name, h.bad)
	if errors.Is(err, ErrDamaged) {
		err = nil
	}
	return found, err
}

// bring reads a block, wherever it is, and stores it again when it is only in
// damaged packs here.
func (h *healing) bring(ctx context.Context, name seal.Name) ([]byte, error) {
	content, err := h.view.repo.block(ctx, name)
	for _, from := range h.options.From {
		if !errors.Is(err, ErrDamaged) {
			break
		}
		var failed error
		if content, failed = from.block(ctx, name); failed == nil || !errors.Is(failed, ErrDamaged) {
			err = failed
		}
	}
	if err != nil {
		return nil, err
	}
	if h.writer == nil {
		if found, err := h.good(name); found || err != nil {
			return content, err
		}
		h.planned[name] = true
		return content, nil
	}
	_, err = h.writer.put(h.into, content)
	return content, err
}
