package sqlstore

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast.dev/holdfast/internal/catalog"
)

// lastRune sorts after everything that may follow a prefix.
const lastRune = "\U0010FFFF"

// List reads one page of documents, in byte order of their IDs.
func (t *tx) List(q catalog.Query) (docs []catalog.Document, err error) {
	statement, args := selection(q)
	rows, err := t.sql.QueryContext(t.ctx, t.store.db.dialect.bind(statement), args...)
	if err != nil {
		return nil, fmt.Errorf("list documents of kind %s: %w", q.Kind, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		doc := catalog.Document{Kind: q.Kind}
		if err := rows.Scan(&doc.ID, &doc.ETag, labels{&doc.Labels}, (*[]byte)(&doc.Body)); err != nil {
			return nil, fmt.Errorf("list documents of kind %s: %w", q.Kind, err)
		}
		docs = append(docs, doc)
	}
	return docs, rows.Err()
}

// selection builds the statement for q. Each label is a join on the label
// index, so that the database may start from the rarest.
func selection(q catalog.Query) (string, []any) {
	var statement strings.Builder
	var args []any
	statement.WriteString(`SELECT d.id, d.etag, d.labels, d.body FROM documents d`)
	for i, name := range slices.Sorted(maps.Keys(q.Labels)) {
		fmt.Fprintf(&statement, ` JOIN document_labels l%[1]d ON l%[1]d.kind = d.kind AND l%[1]d.id = d.id AND l%[1]d.name = ? AND l%[1]d.value = ?`, i)
		args = append(args, name, q.Labels[name])
	}
	statement.WriteString(` WHERE d.kind = ? AND d.id > ?`)
	args = append(args, q.Kind, q.After)
	if q.Prefix != "" {
		statement.WriteString(` AND d.id >= ? AND d.id < ?`)
		args = append(args, q.Prefix, q.Prefix+lastRune)
	}
	statement.WriteString(` ORDER BY d.id LIMIT ?`)
	return statement.String(), append(args, q.PageSize())
}
