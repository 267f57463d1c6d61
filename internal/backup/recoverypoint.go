package backup

import (
	"regexp"
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
	Prefix      string `json:"prefix,omitempty"` // of the repository in its container, ends with "/"
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

var recoveryPointID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// CheckRecoveryPointID reports whether id has the form of a recovery point's name.
func CheckRecoveryPointID(id string) *Problem {
	if recoveryPointID.MatchString(id) {
		return nil
	}
	return Invalid("recoveryPointId", "%q is not a recovery point id of 32 hexadecimal digits", id)
}
