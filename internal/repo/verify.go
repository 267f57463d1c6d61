package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// VerifyOptions say what is verified. The zero value is the structure of all
// recovery points: everything but the content of blocks.
type VerifyOptions struct {
	Points []string // ids of recovery points; none means all
	// Share is how much of the data is read and checked, from 0 to 1: that share
	// of the frames, chosen at random by Seed. The same seed chooses the same.
	Share float64
	Seed  uint64
	// Progress is told what was done so far, now and then, by one goroutine at a
	// time; nil tells nobody.
	Progress func(VerifyReport)
}

// VerifyReport is what verifying found.
type VerifyReport struct {
	Points   int   // recovery points verified
	Blocks   int64 // blocks and pages looked at, each place once
	Read     int64 // of these, blocks whose content was read and checked
	Bytes    int64 // of content read
	Findings []Finding
	More     bool // there were more findings than are told
}

// Finding is an object that is damaged.
type Finding struct {
	Object string // its name; empty when a block is in no object that is known
	Err    error  // a *Damage, or one that matches ErrVersion
	// Affected says who cannot be restored because of it; nobody when all that is
	// needed of the object is also somewhere else.
	Affected []Affected
}

// Affected is a stream of a recovery point; Stream is empty for all of it.
type Affected struct {
	Point  string
	Stream string
	Volume string // claim as namespace/name, when the stream is a volume's
}

// Damaged lists the recovery points that cannot be restored completely.
func (r *VerifyReport) Damaged() (points []string) {
	seen := map[string]bool{}
	for _, f := range r.Findings {
		for _, a := range f.Affected {
			if !seen[a.Point] {
				seen[a.Point] = true
				points = append(points, a.Point)
			}
		}
	}
	return points
}

// maxFindings bounds what a report tells, and what it tells of each finding.
const maxFindings = 1000

// Verify reads everything a recovery point consists of and checks it: the
// manifest's signature and root, every page, every block against its name,
// every record against its group, and every place against the footer of its
// pack. It goes on after a damage, and returns all it found joined; each is a
// *Damage that says where.
func (r *Repository) Verify(ctx context.Context, id string) error {
	if _, err := r.Manifest(ctx, id); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	report, err := r.VerifyPoints(ctx, VerifyOptions{Points: []string{id}, Share: 1})
	damages := []error{err}
	for _, f := range report.Findings {
		streams := map[string]bool{}
		if len(f.Affected) == 0 && strings.HasPrefix(f.Object, layout.Packs) {
			damages = append(damages, f.Err) // its blocks can be read, but it could not tell where they are
		}
		for _, a := range f.Affected {
			if !streams[a.Stream] {
				damages = append(damages, ofStream(a.Stream, f.Err))
			}
			streams[a.Stream] = true
		}
	}
	return wrap(errors.Join(damages...), "verify recovery point "+id)
}

// VerifyPoints checks recovery points, and the objects they rely on. Damage is
// in the report; an error means that the store failed, or the caller gave up,
// and that the report is not complete. Memory does not grow with the repository
// but by three bits for each block of its index.
func (r *Repository) VerifyPoints(ctx context.Context, options VerifyOptions) (VerifyReport, error) {
	v := &inspection{options: options, found: map[string]*Finding{}, ok: marks{}, whole: marks{}}
	err := v.run(ctx, r)
	return v.report, wrap(err, "verify")
}

func (v *inspection) run(ctx context.Context, r *Repository) error {
	var err error
	if v.view, err = r.inspect(ctx, func(object string, err error) { v.noteAt(object, err, nil) }); err != nil {
		return err
	}
	defer v.view.close()
	v.footers.repo = v.view.repo
	if err := v.documents(ctx); err != nil {
		return err
	}
	for _, s := range v.view.repo.places.order {
		if s.broken != nil {
			v.noteAt(layout.Index(s.id), s.broken, nil)
		} else if err := s.torn(); err != nil {
			v.note(err, nil)
		}
	}
	if err := v.points(ctx); err != nil {
		return err
	}
	for _, f := range v.order {
		v.report.Findings = append(v.report.Findings, *f)
	}
	return nil
}

// points verifies those asked for, or all.
func (v *inspection) points(ctx context.Context) error {
	unreadable := func(id string, err error) error {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			return err
		}
		v.report.Points++
		v.noteAt(layout.Manifests+id, err, &Affected{Point: id})
		return nil
	}
	each := func(m Manifest) error { return v.point(ctx, m) }
	if len(v.options.Points) == 0 {
		return v.view.repo.points(ctx, each, unreadable)
	}
	for _, id := range v.options.Points {
		m, err := v.view.repo.Manifest(ctx, id)
		if err == nil {
			err = each(m)
		} else {
			err = unreadable(id, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// documents checks the announcements; condemnations were checked when read.
func (v *inspection) documents(ctx context.Context) error {
	repo := v.view.repo
	for info, err := range repo.store.List(ctx, layout.Writers) {
		if err != nil {
			return fmt.Errorf("list announcements: %w", err)
		}
		id, err := layout.Parse(layout.Writers, info.Name)
		if err != nil {
			continue // not an object of the format
		}
		data, err := readObject(ctx, repo.store, info.Name, manifest.MaxDocument)
		if errors.Is(err, objstore.ErrNotFound) {
			continue
		}
		if err == nil {
			_, err = manifest.DecodeDocument(repo.keys, seal.Writer, repo.id, id, data)
		}
		if err = located(info.Name, err); errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion) {
			v.noteAt(info.Name, err, nil)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// note enters a damage, and who suffers from it.
func (v *inspection) note(err error, who *Affected) {
	object := ""
	if d, ok := errors.AsType[*Damage](err); ok && strings.Contains(d.Object, "/") {
		object = d.Object
	}
	v.noteAt(object, err, who)
}

func (v *inspection) noteAt(object string, err error, who *Affected) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.found[object]
	if f == nil {
		if len(v.order) == maxFindings {
			v.report.More = true
			return
		}
		f = &Finding{Object: object, Err: err}
		v.found[object] = f
		v.order = append(v.order, f)
	}
	if who == nil {
		return
	}
	v.hurt = true
	for _, a := range f.Affected {
		if a == *who {
			return
		}
	}
	if len(f.Affected) == maxFindings {
		v.report.More = true
		return
	}
	f.Affected = append(f.Affected, *who)
}

// objectAt reads ranges of an object.
type objectAt struct {
	ctx   context.Context
	store objstore.Store
	name  string
}

var _ io.ReaderAt = objectAt{}

// ReadAt reads exactly len(p) bytes.
func (o objectAt) ReadAt(p []byte, offset int64) (int, error) {
	if err := readRange(o.ctx, o.store, o.name, p, offset); err != nil {
		return 0, err
	}
	return len(p), nil
}
