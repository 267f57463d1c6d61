package v1

// PointDeletion is the deletion of a recovery point from a store. It cannot be
// restored from there any more.
type PointDeletion struct {
	Reason  string `json:"reason"`
	Attempt int    `json:"attempt"` // from 1
	// NextAttempt and Error are set when the last attempt failed.
	NextAttempt *string          `json:"nextAttempt"`
	Error       *UserFacingError `json:"error"`
}

// Expiry is an extension: recovery points of an instance whose time is over and that
// could not be deleted. They are asked for again and again.
type Expiry struct {
	Failed          int              `json:"failed"`          // how many
	RecoveryPointID string           `json:"recoveryPointId"` // the newest of them
	Error           *UserFacingError `json:"error"`           // of it
}
