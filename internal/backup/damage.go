package backup

import (
	"slices"
	"strings"
	"time"
)

// Damage says that a place of a recovery point does not have all of it any more, as a
// verification found it.
type Damage struct {
	Found  time.Time `json:"found"` // for the first time
	Reason Code      `json:"reason"`
	// Objects says that the objects, or what leads to everything, are not whole: nothing
	// can be restored from this place.
	Objects bool `json:"objects,omitempty"`
	// Volumes are the claims, as namespace/name, whose data is not whole.
	Volumes []string `json:"volumes,omitempty"`
}

// Add enters a part that is not whole: a volume, or the objects when none is named.
func (d *Damage) Add(volume string) {
	if volume == "" {
		d.Objects = true
		return
	}
	if i, there := slices.BinarySearch(d.Volumes, volume); !there {
		d.Volumes = slices.Insert(d.Volumes, i, volume)
	}
}

// After returns what is known of a place once a verification found d, which is nil
// when it found nothing; old is what was known before. Only one that has read
// everything can take something back.
func (d *Damage) After(old *Damage, readAll bool) *Damage {
	switch {
	case old == nil:
		return d
	case d == nil && readAll:
		return nil
	case d == nil:
		return old
	}
	out := Damage{Found: old.Found, Reason: d.Reason, Objects: d.Objects, Volumes: slices.Clone(d.Volumes)}
	if !readAll {
		out.Objects = out.Objects || old.Objects
		for _, v := range old.Volumes {
			out.Add(v)
		}
	}
	return &out
}

// Same says whether two places are damaged alike; either may be nil.
func (d *Damage) Same(other *Damage) bool {
	if d == nil || other == nil {
		return d == other
	}
	return d.Reason == other.Reason && d.Objects == other.Objects && slices.Equal(d.Volumes, other.Volumes)
}

// checkDamage refuses to read what is not whole. What is left of a recovery point
// can be restored: other namespaces, or everything without the data of volumes.
func (r RestoreRequest) checkDamage(point *RecoveryPoint, store RecoveryStore) *Problem {
	d := store.Damage
	if d == nil {
		return nil
	}
	if d.Objects {
		return NewProblem(CodePointDamaged, point.ID, "recovery point %s is damaged in the %s (%s): its objects are not whole", point.Name(), r.Tier, d.Reason)
	}
	if r.VolumeMode != WithVolumeData {
		return nil
	}
	var lost []string
	for _, volume := range d.Volumes {
		namespace, _, _ := strings.Cut(volume, "/")
		if r.wants(namespace) {
			lost = append(lost, volume)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return NewProblem(CodePointDamaged, point.ID, "recovery point %s is damaged in the %s (%s): the data of %s is not whole", point.Name(), r.Tier, d.Reason, strings.Join(lost, ", "))
}

// wants says whether objects of a namespace are selected.
func (s Selection) wants(namespace string) bool {
	if slices.Contains(s.ExcludedNamespaces, namespace) {
		return false
	}
	return len(s.IncludedNamespaces) == 0 || slices.Contains(s.IncludedNamespaces, namespace)
}
