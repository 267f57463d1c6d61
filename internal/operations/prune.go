package operations

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
)

// Prune removes records that ended before the given time, looking at up to
// 1,000 with ids greater than after. It returns where to go on, "" when all
// were seen.
func Prune(tx catalog.Tx, before time.Time, after string) (next string, err error) {
	docs, err := tx.List(catalog.Query{Kind: Kind, After: after, Limit: pruneBatch})
	if err != nil {
		return "", fmt.Errorf("list operations: %w", err)
	}
	for _, doc := range docs {
		var r Record
		if err := json.Unmarshal(doc.Body, &r); err != nil {
			return "", fmt.Errorf("operation %s: %w", doc.ID, err)
		}
		if !r.Status.Terminal() || !r.Ended.Before(before) {
			continue
		}
		if err := tx.Delete(Kind, doc.ID, doc.ETag); err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return "", fmt.Errorf("prune operation %s: %w", doc.ID, err)
		}
	}
	if len(docs) < pruneBatch {
		return "", nil
	}
	return docs[len(docs)-1].ID, nil
}

const pruneBatch = 1000
