package inventory

import (
	"encoding/json"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// kindRoom is the kind of the bounds of vaults: no vault has more instances than
// its bound says. So whoever adds one need not count the others.
const kindRoom = "instance-room"

type room struct {
	AtMost int `json:"atMost"`
}

// TakeRoom counts one more instance in a vault, which the same transaction adds
// with an id that is not in use, and reports whether there is room: at most limit
// instances. Instances that go are not counted off: when the bound is reached, or
// there is none, they are counted anew.
func TakeRoom(tx catalog.Tx, vaultID string, limit int) (bool, error) {
	known, err := bound(tx, vaultID)
	if err == nil && (known.AtMost == 0 || known.AtMost >= limit) {
		known.AtMost, err = countInstances(tx, vaultID)
	}
	if err != nil || known.AtMost >= limit {
		return false, err
	}
	known.AtMost++
	body, err := json.Marshal(known)
	if err != nil {
		return false, fmt.Errorf("encode the bound of %s: %w", vaultID, err)
	}
	_, err = tx.Put(catalog.Document{Kind: kindRoom, ID: backup.Key(vaultID), Body: body}, "")
	return err == nil, err
}

// ForgetRoom lets the instances of a vault be counted anew: some were added without
// asking for room.
func ForgetRoom(tx catalog.Tx, vaultID string) error {
	return forgive(tx.Delete(kindRoom, backup.Key(vaultID), ""))
}

func bound(tx catalog.Tx, vaultID string) (r room, err error) {
	doc, err := tx.Get(kindRoom, backup.Key(vaultID))
	if errors.Is(err, catalog.ErrNotFound) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(doc.Body, &r)
	}
	if err != nil {
		err = fmt.Errorf("bound of %s: %w", vaultID, err)
	}
	return r, err
}

func countInstances(tx catalog.Tx, vaultID string) (n int, err error) {
	for after := ""; ; {
		docs, err := tx.List(catalog.Query{Kind: Instances.kind, Prefix: backup.Key(vaultID) + "/", After: after, Limit: pageSize})
		if err != nil {
			return 0, fmt.Errorf("count the instances of %s: %w", vaultID, err)
		}
		if n += len(docs); len(docs) < pageSize {
			return n, nil
		}
		after = docs[len(docs)-1].ID
	}
}
