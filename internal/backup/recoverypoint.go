package backup

import (
	"regexp"
	"slices"
	"time"
)

// RecoveryPoint is one moment an instance can be restored to. It exists
// exactly when its manifest exists in a repository; this is the entry of it.
type RecoveryPoint struct {
	Meta
	Time       time.Time        `json:"time"`              // the moment it stands for
	Expires    time.Time        `json:"expires,omitzero"`  // zero: kept
	Partial    bool             `json:"partial,omitempty"` // something was left out, see the job
	PolicyID   string           `json:"policyId,omitempty"`
	Tag        string           `json:"tag,omitempty"`        // retention rule
	TagVersion string           `json:"tagVersion,omitempty"` // decimal ticks
	Tagging    *Tagging         `json:"tagging,omitempty"`    // set when the policy chose the tag
	JobID      string           `json:"jobId,omitempty"`
	Stores     []RecoveryStore  `json:"stores"`
	Namespaces []string         `json:"namespaces,omitempty"`
	Objects    int64            `json:"objects,omitempty"`
	Volumes    []RecoveryVolume `json:"volumes,omitempty"`
}

// RecoveryStore is one place a recovery point is kept in.
type RecoveryStore struct {
	ID      string    `json:"id"` // GUID
	Tier    Tier      `json:"tier"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	// ContainerID is the storage container that holds the repository in the
	// operational tier.
	ContainerID string `json:"containerId,omitempty"`
	Prefix      string `json:"prefix,omitempty"` // of the repository in its container or in the vault's store, ends with "/"
	// Root is the manifest's root over all streams, hex; what the store holds is
	// still the same while it has this root.
	Root  string `json:"root,omitempty"`
	Bytes int64  `json:"bytes,omitempty"` // that were stored for it
	// LeftOut are the volumes that other stores of the recovery point have and
	// this one has not.
	LeftOut []RecoveryVolume `json:"leftOut,omitempty"`
	Onward  *Onward          `json:"onward,omitempty"` // set until it has been copied to the vault
	Going   *Going           `json:"going,omitempty"`  // set while it is being deleted there
	Damage  *Damage          `json:"damage,omitempty"` // set when it is known not to be whole there
}

// RecoveryVolume is one claim of a recovery point.
type RecoveryVolume struct {
	Namespace string `json:"namespace"`
	Claim     string `json:"claim"`
	Protected bool   `json:"protected"`
	Reason    string `json:"reason,omitempty"` // code, when not protected
	SizeBytes int64  `json:"sizeBytes,omitempty"`
}

// Store returns the store of a tier.
func (r *RecoveryPoint) Store(tier Tier) (RecoveryStore, bool) {
	for _, s := range r.Stores {
		if s.Tier == tier {
			return s, true
		}
	}
	return RecoveryStore{}, false
}

// AddStore enters another place that keeps the recovery point, or replaces the
// one of the same tier.
func (r *RecoveryPoint) AddStore(s RecoveryStore) {
	r.DropStore(s.Tier)
	r.Stores = append(r.Stores, s)
	if here := r.Place(TierOperational); here != nil && r.Place(TierVault) != nil {
		here.Onward = nil
	}
	r.expire()
}

// DropStore takes out the place of a tier, if there is one. A point that is
// kept nowhere any more is one to be deleted.
func (r *RecoveryPoint) DropStore(tier Tier) {
	r.Stores = slices.DeleteFunc(r.Stores, func(s RecoveryStore) bool { return s.Tier == tier })
	r.expire()
}

// expire sets when the point expires: with its last store.
func (r *RecoveryPoint) expire() {
	if len(r.Stores) == 0 {
		return
	}
	r.Expires = r.Stores[0].Expires
	for _, s := range r.Stores[1:] {
		if s.Expires.IsZero() || (!r.Expires.IsZero() && s.Expires.After(r.Expires)) {
			r.Expires = s.Expires
		}
	}
}

var recoveryPointID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// CheckRecoveryPointID reports whether id has the form of a recovery point's name.
func CheckRecoveryPointID(id string) *Problem {
	if recoveryPointID.MatchString(id) {
		return nil
	}
	return Invalid("recoveryPointId", "%q is not a recovery point id of 32 hexadecimal digits", id)
}
