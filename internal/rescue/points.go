package rescue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/repo"
)

// Point is a recovery point in one repository.
type Point struct {
	ID string // 32 hex digits
	In *Opened
	repo.Manifest
	// Err says why the manifest cannot be read; then nothing else is known.
	Err error
}

// Points lists the recovery points of a repository, the newest first, those that
// cannot be read last. Ids that were made void are left out.
func (o *Opened) Points(ctx context.Context) ([]Point, error) {
	var points []Point
	for info, err := range o.Repository.Manifests(ctx) {
		if err != nil {
			return points, err
		}
		m, err := o.Manifest(ctx, info.ID)
		switch {
		case errors.Is(err, repo.ErrVoid), errors.Is(err, repo.ErrNoRecoveryPoint):
			continue
		case err != nil && !errors.Is(err, repo.ErrDamaged) && !errors.Is(err, repo.ErrVersion):
			return points, err
		}
		points = append(points, Point{ID: info.ID, In: o, Manifest: m, Err: err})
	}
	slices.SortFunc(points, func(a, b Point) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
	return points, nil
}

// Choose finds the recovery point that a person names by its id, or by how the
// id begins. Of one that lies in several repositories that with most data of
// volumes is taken.
func Choose(points []Point, name string) (Point, error) {
	var found []Point
	for _, p := range points {
		if strings.HasPrefix(p.ID, strings.ToLower(name)) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return Point{}, fmt.Errorf("%w: %s", repo.ErrNoRecoveryPoint, name)
	}
	slices.SortStableFunc(found, func(a, b Point) int { return cmp.Compare(b.streams(), a.streams()) })
	for _, p := range found {
		if p.ID != found[0].ID {
			return Point{}, fmt.Errorf("several recovery points begin with %s, such as %s and %s: write more of the id", name, found[0].ID, p.ID)
		}
	}
	return found[0], found[0].Err
}

// streams counts the volumes whose data is in the repository.
func (p Point) streams() int {
	count := 0
	for _, s := range p.Streams {
		if s.Type == repo.TypeVolume {
			count++
		}
	}
	return count
}

// Objects counts the objects in the archives.
func (p Point) Objects() int64 {
	var count int64
	for _, s := range p.Streams {
		if s.Type == repo.TypeArchive {
			count += s.Records
		}
	}
	return count
}

// Stored counts the volumes whose data is in the repository, and Snapshots those
// of which it has the handle of a snapshot only.
func (p Point) Stored() (stored, snapshots int) {
	for _, v := range p.Volumes {
		switch {
		case v.Stream != "":
			stored++
		case v.Protected:
			snapshots++
		}
	}
	return stored, snapshots
}

// Namespaces are those that were backed up, as the manifest tells.
func (p Point) Namespaces() []string {
	names := p.Facts["namespaces"]
	if names == "" {
		return nil
	}
	return strings.Split(names, ",")
}
