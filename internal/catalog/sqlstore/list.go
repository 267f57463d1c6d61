package sqlstore

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"holdfast.dev/holdfast/internal/catalog"
)

// lastRune sorts after everything that may follow a prefix.
const lastRune = "\U0010FFFF"

// List reads one page of documents, in byte order of their IDs.
func (t *tx) List(q catalog.Query) (docs []catalog.Document, err error) {
	statement, args := selection(q)
	rows, err := t.sql.QueryContext(t.ctx, t.store.db.dialect.bind(statement), args...)
	if err != nil {
		return nil, fmt.Errorf("list documents of kind %s: %w", q.Kind, t.failed(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		doc := catalog.Document{Kind: q.Kind}
		if err := rows.Scan(&doc.ID, &doc.ETag, labels{&doc.Labels}, (*[]byte)(&doc.Body)); err != nil {
			return nil, fmt.Errorf("list documents of kind %s: %w", q.Kind, err)
		}
		docs = append(docs, doc)
	}
	return docs, t.failed(rows.Err())
}

// selection builds the statement for q. With labels it walks the index of the
// first one, which is in order of IDs, and looks the others up; without, it walks
// the documents. So the work is that of a page, however many documents there are.
func selection(q catalog.Query) (string, []any) {
	from, where, walk, args := `documents d`, `d.kind = ?`, `d.id`, []any{q.Kind}
	for i, name := range slices.Sorted(maps.Keys(q.Labels)) {
		if i == 0 {
			from = `document_labels l CROSS JOIN documents d` // SQLite keeps the order of a cross join
			where = `l.kind = ? AND l.name = ? AND l.value = ? AND d.kind = l.kind AND d.id = l.id`
			walk = `l.id`
		} else {
			where += ` AND EXISTS (SELECT 1 FROM document_labels m WHERE m.kind = d.kind AND m.id = d.id AND m.name = ? AND m.value = ?)`
		}
		args = append(args, name, q.Labels[name])
	}
	// One bound on each side: SQLite uses no more, and not the best of them.
	if q.Prefix > q.After {
		where += ` AND ` + walk + ` >= ?`
		args = append(args, q.Prefix)
	} else {
		where += ` AND ` + walk + ` > ?`
		args = append(args, q.After)
	}
	if q.Prefix != "" {
		where += ` AND ` + walk + ` < ?`
		args = append(args, q.Prefix+lastRune)
	}
	return `SELECT d.id, d.etag, d.labels, d.body FROM ` + from + ` WHERE ` + where + ` ORDER BY ` + walk + ` LIMIT ?`, append(args, q.PageSize())
}
