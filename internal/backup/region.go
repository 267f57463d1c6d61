package backup

import (
	"regexp"
	"slices"
	"time"
)

// Region is a place that vaults can be in, or be replicated into.
type Region struct {
	Name string
	// Paired is the region that vaults of this one are replicated into; empty for
	// none.
	Paired string
	// Replicas says that there is a store for what is replicated into this region.
	Replicas bool
}

// Regions are all that a service knows of. None is a good answer: vaults are then
// kept in one place.
type Regions []Region

var regionName = regexp.MustCompile(`^[a-z][a-z0-9]{0,29}$`)

// Check refuses regions that do not fit together.
func (r Regions) Check() *Problem {
	seen, used := map[string]bool{}, map[string]bool{}
	for _, region := range r {
		switch {
		case !regionName.MatchString(region.Name):
			return Invalid("regions", "region name %q must have 1 to 30 lower-case letters and digits and begin with a letter, as locations are written", region.Name)
		case seen[region.Name]:
			return Invalid("regions", "region %s stands there twice; keep one", region.Name)
		case region.Paired == region.Name:
			return Invalid("regions", "region %s is paired with itself; name another region, or none", region.Name)
		}
		seen[region.Name], used[region.Paired] = true, true
	}
	for _, region := range r {
		paired, found := r.named(region.Paired)
		switch {
		case region.Paired != "" && !found:
			return Invalid("regions", "region %s is paired with %s, which is not there; add it, with its replicaStore", region.Name, region.Paired)
		case region.Paired != "" && !paired.Replicas:
			return Invalid("regions", "region %s is paired with %s, which has no replicaStore; give it one", region.Name, region.Paired)
		case region.Replicas && !used[region.Name]:
			return Invalid("regions", "region %s has a replicaStore but no region is paired with it; set pairedRegion of the region that is, or take the store out", region.Name)
		}
	}
	return nil
}

func (r Regions) named(name string) (Region, bool) {
	for _, region := range r {
		if region.Name != "" && SameRegion(region.Name, name) {
			return region, true
		}
	}
	return Region{}, false
}

// PairOf returns the region that a vault at a location is replicated into; empty
// when there is none.
func (r Regions) PairOf(location string) string {
	region, _ := r.named(location)
	return region.Paired
}

// Paired says whether another region is paired with this one.
func (r Regions) Paired(name string) bool {
	return slices.ContainsFunc(r, func(one Region) bool { return one.Paired != "" && SameRegion(one.Paired, name) })
}

// ReplicaRegion returns the region that the vault is replicated into: its storage
// is geo-redundant, cross region restore is on, and its location is paired. Empty
// when it is not replicated.
func (v Vault) ReplicaRegion(r Regions) string {
	if v.CrossRegion != "Enabled" || !v.GeoRedundant() {
		return ""
	}
	return r.PairOf(v.Location)
}

// CheckRegion refuses to turn cross region restore on, which cannot be taken back,
// where it would do nothing. old is nil for a new vault.
func (v Vault) CheckRegion(old *Vault, r Regions) *Problem {
	if v.CrossRegion != "Enabled" || old != nil && old.CrossRegion == "Enabled" || r.PairOf(v.Location) != "" {
		return nil
	}
	p := Invalid("properties.featureSettings.crossRegionRestoreSettings", "location %s has no paired region at this service", v.Location)
	p.Actions = []string{"Give the service a file of regions in which " + v.Location + " has a pairedRegion (holdfastd serve --regions FILE), or leave cross region restore off."}
	return p
}

// ReplicaLimit is how long after its copy in the vault a recovery point must be in
// the paired region.
const ReplicaLimit = 12 * time.Hour

// Replica is the copy of a vaulted recovery point in the paired region. Its id is
// that of the recovery point.
type Replica struct {
	Meta
	Region string    `json:"region"`
	Prefix string    `json:"prefix"`        // of the repository in the region's store
	Time   time.Time `json:"time"`          // of the recovery point
	Due    time.Time `json:"due"`           // since when it is to be replicated
	Done   time.Time `json:"done,omitzero"` // since when it is; zero while it is not
	// Expires is when it may be deleted after its recovery point was; zero for never.
	Expires time.Time `json:"expires,omitzero"`
	Bytes   int64     `json:"bytes,omitempty"`   // that were stored for it
	Problem *Problem  `json:"problem,omitempty"` // of the last attempt
	Damage  *Damage   `json:"damage,omitempty"`  // set when it is known not to be whole
}

// Move lets the replica be made anew in another region, where it is due from now.
func (r *Replica) Move(region string, now time.Time) {
	r.Region, r.Due, r.Done, r.Bytes, r.Problem, r.Damage = region, now.UTC(), time.Time{}, 0, nil, nil
}

// Replication is how far the recovery points of an instance are replicated.
type Replication struct {
	Region string
	// Newest is the id of the newest recovery point in the region, Time its moment
	// and Lag how long its replication took; empty when there is none yet.
	Newest string
	Time   time.Time
	Lag    time.Duration
	// Pending are still on their way, the first of them since Since.
	Pending int
	Since   time.Time
	Problem *Problem // of the last attempt at one that is pending
}

// Late says whether one is on its way for longer than ReplicaLimit.
func (r Replication) Late(now time.Time) bool {
	return r.Pending > 0 && now.Sub(r.Since) > ReplicaLimit
}

// Age is how much would be lost if the first region were lost now, as far as the
// instance was backed up into the vault at all; zero when nothing is in the region.
func (r Replication) Age(now time.Time) time.Duration {
	if r.Newest == "" {
		return 0
	}
	return now.Sub(r.Time)
}

// SumReplicas sums up the replicas of an instance, in any order. ok is false when
// there are none.
func SumReplicas(replicas []Replica) (sum Replication, ok bool) {
	for i := range replicas {
		one := &replicas[i]
		sum.Region = one.Region
		if one.Done.IsZero() {
			if sum.Pending++; sum.Since.IsZero() || one.Due.Before(sum.Since) {
				sum.Since = one.Due
			}
			if one.Problem != nil {
				sum.Problem = one.Problem
			}
			continue
		}
		if sum.Newest == "" || one.Time.After(sum.Time) {
			sum.Newest, sum.Time, sum.Lag = one.Name(), one.Time, one.Done.Sub(one.Due)
		}
	}
	return sum, len(replicas) > 0
}

// RegionView is what a service last saw in the store of a region's replicas. Its id is
// RegionViewID.
type RegionView struct {
	Meta
	// Problem is why not all of it could be read; nil when it could.
	Problem *Problem `json:"problem,omitempty"`
}

// RegionViewID is the id of what was seen in a region.
func RegionViewID(region string) string { return "/regions/" + region }
