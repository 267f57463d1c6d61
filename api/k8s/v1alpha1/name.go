package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
)

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,55}[a-z0-9])?$`)

// RunName is the name of the run object of an operation: "op-" and the
// operation's id where that makes a DNS label of at most 60 characters, else
// "op-" and 32 hex digits of the id's SHA-256. The same id gives the same name.
func RunName(operationID string) string {
	if label.MatchString(operationID) {
		return "op-" + operationID
	}
	sum := sha256.Sum256([]byte(operationID))
	return "op-" + hex.EncodeToString(sum[:16])
}
