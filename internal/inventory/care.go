package inventory

import (
	"errors"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// Cares is what is known of the upkeep of instances' repositories.
var Cares = Collection[backup.Care, *backup.Care]{kind: "care"}

// CareOf reads what is known of an instance; an empty one when that is nothing.
func CareOf(tx catalog.Tx, instanceID string) (*backup.Care, error) {
	c, err := Cares.Get(tx, instanceID)
	if errors.Is(err, catalog.ErrNotFound) {
		return &backup.Care{Meta: backup.Meta{ID: instanceID}}, nil
	}
	return c, err
}
