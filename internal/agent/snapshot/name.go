package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
)

// namePrefix starts the name of every snapshot object of an operation. A
// content made for such an object says its name, so that it is found even when
// the object is gone.
func namePrefix(operation string) string { return "holdfast-" + digest(operation) + "-" }

// objectName is the name of the snapshot object for one claim or handle.
func objectName(operation, subject string) string { return namePrefix(operation) + digest(subject) }

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
