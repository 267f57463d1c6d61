package agentops

import (
	"time"

	"holdfast.dev/holdfast/internal/catalog"
)

// Prune removes operations that ended before the given time, looking at up to
// 1,000 with ids greater than after. It returns where to go on, "" when all
// were seen.
func Prune(tx catalog.Tx, before time.Time, after string) (next string, err error) {
	docs, err := tx.List(catalog.Query{Kind: Kind, After: after})
	if err != nil {
		return "", err
	}
	for _, doc := range docs {
		o, err := decode(doc)
		if err != nil {
			return "", err
		}
		if o.State != Finished || !o.Ended.Before(before) {
			continue
		}
		if err := Remove(tx, o.ID); err != nil {
			return "", err
		}
	}
	if len(docs) < catalog.MaxPage {
		return "", nil
	}
	return docs[len(docs)-1].ID, nil
}
