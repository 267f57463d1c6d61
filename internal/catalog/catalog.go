// Package catalog keeps documents with ETags, and the work they ask for, in one
// transaction. It knows no product word: what a document means is its
// writer's business. The catalog is an index of the truth in the buckets and
// can be rebuilt from them.
package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Errors that survive wrapping; test with errors.Is.
var (
	// ErrNotFound: no such document.
	ErrNotFound = errors.New("document not found")
	// ErrConflict: the ETag given is not the document's, or it exists already.
	ErrConflict = errors.New("document was changed by another writer")
)

// IfAbsent given as the ETag to Put, demands that the document does not exist.
const IfAbsent = "-"

// Document is one stored thing.
type Document struct {
	Kind string // what family it belongs to, such as "vault"
	// ID is unique within the kind and compared byte by byte; writers of ARM
	// ids store them in lower case.
	ID   string
	ETag string // set by the store, changes with every Put
	// Labels are indexed for Query; at most 8, values at most 512 bytes.
	Labels map[string]string
	Body   json.RawMessage
}

// Query selects documents of one kind in order of their IDs.
type Query struct {
	Kind   string
	Prefix string            // of the ID; empty means all
	Labels map[string]string // every one must be equal
	After  string            // only IDs greater than this; for the next page
	Limit  int               // 0 means 1,000, which is also the most
}

// Job is work to be done after the transaction commits, by the job engine.
type Job struct {
	Kind      string
	Args      json.RawMessage
	NotBefore time.Time // zero means at once
	// UniqueKey, when not empty, keeps one job of this kind and key waiting: to
	// enqueue it once more, with NotBefore zero, wakes the one that waits.
	UniqueKey string
}

// Tx is one transaction. It must not be used after the function it was given
// to has returned.
type Tx interface {
	Get(kind, id string) (Document, error)
	List(q Query) ([]Document, error)
	// Put writes doc and returns it with its new ETag. ifMatch "" writes
	// always, IfAbsent only when new, anything else only over that ETag.
	Put(doc Document, ifMatch string) (Document, error)
	// Delete removes a document; ifMatch "" always, else only that ETag.
	// Removing what does not exist is ErrNotFound.
	Delete(kind, id, ifMatch string) error
	Enqueue(job Job) error
}

// Store runs transactions. Updates are serialisable; an error from the
// function rolls back and is returned as it is.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
	Update(ctx context.Context, fn func(Tx) error) error
}
