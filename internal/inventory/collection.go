// Package inventory keeps the product's documents in the catalog: it knows
// under which kind, id and labels each is stored, and nothing of what they
// mean. Ids may be given in any case.
package inventory

import (
	"encoding/json"
	"fmt"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// document is a pointer to a T that has the common part.
type document[T any] interface {
	*T
	Base() *backup.Meta
}

// Collection is all documents of one kind.
type Collection[T any, P document[T]] struct {
	kind   string
	labels func(P) map[string]string
	// written, when set, is called in every transaction that writes a document.
	written func(catalog.Tx, P) error
}

// Get reads one document; catalog.ErrNotFound when there is none. Its ETag is
// the stored one.
func (c Collection[T, P]) Get(tx catalog.Tx, id string) (P, error) {
	doc, err := tx.Get(c.kind, backup.Key(id))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.kind, id, err)
	}
	return c.decode(doc)
}

// Put writes v over whatever is stored and sets its ETag.
func (c Collection[T, P]) Put(tx catalog.Tx, v P) error { return c.PutIf(tx, v, "") }

// PutIf writes v with an If-Match as catalog.Tx.Put has it: catalog.IfAbsent,
// an ETag, or "" for always.
func (c Collection[T, P]) PutIf(tx catalog.Tx, v P, ifMatch string) error {
	meta := v.Base()
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", c.kind, meta.ID, err)
	}
	doc := catalog.Document{Kind: c.kind, ID: backup.Key(meta.ID), Body: body}
	if c.labels != nil {
		doc.Labels = c.labels(v)
	}
	stored, err := tx.Put(doc, ifMatch)
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.kind, meta.ID, err)
	}
	meta.ETag = stored.ETag
	if c.written != nil {
		return c.written(tx, v)
	}
	return nil
}

// Delete removes a document; catalog.ErrNotFound when there is none.
func (c Collection[T, P]) Delete(tx catalog.Tx, id string) error {
	if err := tx.Delete(c.kind, backup.Key(id), ""); err != nil {
		return fmt.Errorf("%s %s: %w", c.kind, id, err)
	}
	return nil
}

// Below reads every document whose id lies below parent, in order of ids.
func (c Collection[T, P]) Below(tx catalog.Tx, parent string) ([]T, error) {
	return c.all(tx, catalog.Query{Prefix: backup.Key(parent) + "/"})
}

// With reads every document that has the label, in order of ids. See the
// Label constants.
func (c Collection[T, P]) With(tx catalog.Tx, label, value string) ([]T, error) {
	return c.all(tx, catalog.Query{Labels: map[string]string{label: value}})
}

// Page reads up to limit documents below parent with ids after the given one,
// and returns where the next page starts, "" when this was the last.
func (c Collection[T, P]) Page(tx catalog.Tx, parent, after string, limit int) ([]T, string, error) {
	return c.page(tx, catalog.Query{Prefix: backup.Key(parent) + "/", After: after, Limit: limit})
}

// PageWith is Page over the documents that have the label.
func (c Collection[T, P]) PageWith(tx catalog.Tx, label, value, after string, limit int) ([]T, string, error) {
	return c.page(tx, catalog.Query{Labels: map[string]string{label: value}, After: after, Limit: limit})
}

// PageBelow is Page over the documents that have the labels too.
func (c Collection[T, P]) PageBelow(tx catalog.Tx, parent string, labels map[string]string, after string, limit int) ([]T, string, error) {
	return c.page(tx, catalog.Query{Prefix: backup.Key(parent) + "/", Labels: labels, After: after, Limit: limit})
}

// pageSize is the most the catalog returns at once.
const pageSize = 1000

func (c Collection[T, P]) all(tx catalog.Tx, q catalog.Query) ([]T, error) {
	var all []T
	q.Limit = pageSize
	for {
		part, next, err := c.page(tx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
		if next == "" {
			return all, nil
		}
		q.After = next
	}
}

func (c Collection[T, P]) page(tx catalog.Tx, q catalog.Query) ([]T, string, error) {
	q.Kind = c.kind
	docs, err := tx.List(q)
	if err != nil {
		return nil, "", fmt.Errorf("list %s: %w", c.kind, err)
	}
	values := make([]T, 0, len(docs))
	for _, doc := range docs {
		v, err := c.decode(doc)
		if err != nil {
			return nil, "", err
		}
		values = append(values, *v)
	}
	if q.Limit > 0 && len(docs) == q.Limit {
		return values, docs[len(docs)-1].ID, nil
	}
	return values, "", nil
}

func (c Collection[T, P]) decode(doc catalog.Document) (P, error) {
	v := P(new(T))
	if err := json.Unmarshal(doc.Body, v); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", c.kind, doc.ID, err)
	}
	v.Base().ETag = doc.ETag
	return v, nil
}
