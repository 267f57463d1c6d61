package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"holdfast.dev/holdfast/internal/catalog"
)

// tx is one transaction. It keeps the context it was begun with, because the
// transaction ends with that context anyhow.
type tx struct {
	ctx      context.Context
	sql      *Transaction
	store    *Store
	readOnly bool
	lost     error // why all of it must be run again
}

// failed keeps in mind that the database ended this transaction for another one:
// what the caller makes of the error need not tell.
func (t *tx) failed(err error) error {
	if err != nil && t.store.db.dialect.again(err) {
		t.lost = err
	}
	return err
}

// Get reads one document.
func (t *tx) Get(kind, id string) (catalog.Document, error) {
	doc := catalog.Document{Kind: kind, ID: id}
	err := t.row(`SELECT etag, labels, body FROM documents WHERE kind = ? AND id = ?`, kind, id).Scan(&doc.ETag, labels{&doc.Labels}, (*[]byte)(&doc.Body))
	if errors.Is(err, sql.ErrNoRows) {
		return catalog.Document{}, fmt.Errorf("%s %q: %w", kind, id, catalog.ErrNotFound)
	}
	if err != nil {
		return catalog.Document{}, fmt.Errorf("read %s %q: %w", kind, id, t.failed(err))
	}
	return doc, nil
}

// Put writes one document.
func (t *tx) Put(doc catalog.Document, ifMatch string) (catalog.Document, error) {
	if t.readOnly {
		return catalog.Document{}, catalog.ErrReadOnly
	}
	if err := catalog.Check(doc); err != nil {
		return catalog.Document{}, err
	}
	// Random, so that a document deleted and made again never has an old ETag.
	doc.ETag = rand.Text()
	if err := t.write(doc, ifMatch); err != nil {
		return catalog.Document{}, err
	}
	return doc, t.label(doc)
}

// label makes the searched labels those of doc, and touches only those that
// differ: most changes of a document are not of its labels.
func (t *tx) label(doc catalog.Document) error {
	remove := `DELETE FROM document_labels WHERE kind = ? AND id = ?` + strings.Repeat(` AND (name <> ? OR value <> ?)`, len(doc.Labels))
	insert := `INSERT INTO document_labels (kind, id, name, value) VALUES (?, ?, ?, ?)` + strings.Repeat(`, (?, ?, ?, ?)`, max(len(doc.Labels)-1, 0)) + ` ON CONFLICT DO NOTHING`
	removed, inserted := []any{doc.Kind, doc.ID}, []any{}
	for name, value := range doc.Labels {
		removed = append(removed, name, value)
		inserted = append(inserted, doc.Kind, doc.ID, name, value)
	}
	if err := t.exec(remove, removed...); err != nil || len(doc.Labels) == 0 {
		return err
	}
	return t.exec(insert, inserted...)
}

// write puts the row itself, under the condition ifMatch.
func (t *tx) write(doc catalog.Document, ifMatch string) error {
	switch ifMatch {
	case "":
		return t.exec(`INSERT INTO documents (kind, id, etag, labels, body) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (kind, id) DO UPDATE SET etag = excluded.etag, labels = excluded.labels, body = excluded.body`,
			doc.Kind, doc.ID, doc.ETag, labels{&doc.Labels}, []byte(doc.Body))
	case catalog.IfAbsent:
		return t.one(doc.Kind, doc.ID, `INSERT INTO documents (kind, id, etag, labels, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			doc.Kind, doc.ID, doc.ETag, labels{&doc.Labels}, []byte(doc.Body))
	default:
		return t.one(doc.Kind, doc.ID, `UPDATE documents SET etag = ?, labels = ?, body = ? WHERE kind = ? AND id = ? AND etag = ?`,
			doc.ETag, labels{&doc.Labels}, []byte(doc.Body), doc.Kind, doc.ID, ifMatch)
	}
}

// Delete removes one document.
func (t *tx) Delete(kind, id, ifMatch string) error {
	if t.readOnly {
		return catalog.ErrReadOnly
	}
	current, err := t.Get(kind, id)
	if err != nil {
		return err
	}
	if ifMatch != "" && ifMatch != current.ETag {
		return fmt.Errorf("%s %q: %w", kind, id, catalog.ErrConflict)
	}
	if err := t.exec(`DELETE FROM document_labels WHERE kind = ? AND id = ?`, kind, id); err != nil {
		return err
	}
	return t.one(kind, id, `DELETE FROM documents WHERE kind = ? AND id = ?`, kind, id)
}

// Enqueue asks for work that starts only if the transaction commits.
func (t *tx) Enqueue(job catalog.Job) error {
	if t.readOnly {
		return catalog.ErrReadOnly
	}
	if err := t.store.enqueue(t.ctx, t.sql, job); err != nil {
		return fmt.Errorf("enqueue %s job: %w", job.Kind, t.failed(err))
	}
	return nil
}

// one runs a statement that must change exactly one row, or the caller has
// lost against another writer.
func (t *tx) one(kind, id, statement string, args ...any) error {
	result, err := t.sql.ExecContext(t.ctx, t.store.db.dialect.bind(statement), args...)
	if err != nil {
		return fmt.Errorf("write %s %q: %w", kind, id, t.failed(err))
	}
	changed, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("write %s %q: %w", kind, id, err)
	}
	if changed != 1 {
		return fmt.Errorf("%s %q: %w", kind, id, catalog.ErrConflict)
	}
	return nil
}

func (t *tx) exec(statement string, args ...any) error {
	if _, err := t.sql.ExecContext(t.ctx, t.store.db.dialect.bind(statement), args...); err != nil {
		return fmt.Errorf("write catalog: %w", t.failed(err))
	}
	return nil
}

func (t *tx) row(statement string, args ...any) *sql.Row {
	return t.sql.QueryRowContext(t.ctx, t.store.db.dialect.bind(statement), args...)
}
