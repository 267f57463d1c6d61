// Package operations keeps the record behind every promise the API makes with
// "accepted": what was asked, how it stands, how it ended. Whoever takes a
// request starts a record in the transaction that starts the work; whoever
// does the work ends it. The first ending wins, so that repeating a step after
// a crash changes nothing. It knows no product.
package operations

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
)

// Kind is the kind of the catalog documents that hold the records.
const Kind = "operation"

// Status is how an operation stands, in the words of the wire.
type Status string

// The first is the only one that is not an end.
const (
	InProgress Status = "Inprogress"
	Succeeded  Status = "Succeeded"
	Failed     Status = "Failed"
	Canceled   Status = "Canceled"
)

// Terminal tells whether the operation has ended.
func (s Status) Terminal() bool { return s != InProgress }

// Record is one operation.
type Record struct {
	ID       string // opaque, safe in a URL
	Action   string // what was asked, such as "Microsoft.Web/sites/write"
	Resource string // full id of the resource acted on
	Location string // where the resource lives; part of status addresses
	Starter  string // object id of the principal who asked
	Status   Status
	Started  time.Time
	Ended    time.Time // zero while in progress
	// Properties stand in the status document, as JSON; nil when there are none.
	Properties json.RawMessage `json:",omitempty"`
	// Result is what the result address answers after success, as JSON.
	Result json.RawMessage `json:",omitempty"`
	// ResultIsResource makes the result address answer with the resource as it
	// is then, in place of Result.
	ResultIsResource bool `json:",omitempty"`
	// Problem says why the operation failed or was cancelled.
	Problem *Problem `json:",omitempty"`
}

// Problem is a failure for people and programs.
type Problem struct {
	Code      string
	Message   string
	Target    string   `json:",omitempty"` // the property or resource it is about
	Actions   []string `json:",omitempty"` // what to do about it
	Retryable bool     `json:",omitempty"` // the same request may succeed later
	UserError bool     `json:",omitempty"` // the caller can repair it
	// Status is the HTTP status the result address answers with; 0 means 400
	// for a user's error and 500 otherwise.
	Status int `json:",omitempty"`
}

// Start writes a new record in progress and returns it. ID is made up when
// empty; when a record of the given ID exists it is returned unchanged.
func Start(tx catalog.Tx, now time.Time, r Record) (Record, error) {
	if r.ID == "" {
		r.ID = newID()
	} else if have, err := Get(tx, r.ID); err == nil || !errors.Is(err, catalog.ErrNotFound) {
		return have, err
	}
	r.Status, r.Started, r.Ended = InProgress, now.UTC(), time.Time{}
	return r, put(tx, r, catalog.IfAbsent)
}

// StartDone writes a record of something that succeeded at once: the caller is
// still owed a status address.
func StartDone(tx catalog.Tx, now time.Time, r Record) (Record, error) {
	r, err := Start(tx, now, r)
	if err != nil || r.Status.Terminal() {
		return r, err
	}
	if err := Succeed(tx, now, r.ID, r.Result); err != nil {
		return Record{}, err
	}
	return Get(tx, r.ID)
}

// Get reads a record; an unknown id is catalog.ErrNotFound.
func Get(tx catalog.Tx, id string) (Record, error) {
	doc, err := tx.Get(Kind, strings.ToLower(id))
	if err != nil {
		return Record{}, fmt.Errorf("operation %s: %w", id, err)
	}
	var r Record
	if err := json.Unmarshal(doc.Body, &r); err != nil {
		return Record{}, fmt.Errorf("operation %s: %w", id, err)
	}
	return r, nil
}

// Progress replaces the properties of the status document.
func Progress(tx catalog.Tx, id string, properties json.RawMessage) error {
	return change(tx, id, func(r *Record) { r.Properties = properties })
}

// Succeed ends an operation well; result may be nil.
func Succeed(tx catalog.Tx, now time.Time, id string, result json.RawMessage) error {
	return change(tx, id, func(r *Record) {
		r.Status, r.Ended, r.Result = Succeeded, now.UTC(), result
	})
}

// Fail ends an operation badly.
func Fail(tx catalog.Tx, now time.Time, id string, p Problem) error {
	return change(tx, id, func(r *Record) {
		r.Status, r.Ended, r.Problem = Failed, now.UTC(), &p
	})
}

// Cancel ends an operation that was called off; p says by whom or why.
func Cancel(tx catalog.Tx, now time.Time, id string, p Problem) error {
	return change(tx, id, func(r *Record) {
		r.Status, r.Ended, r.Problem = Canceled, now.UTC(), &p
	})
}

// change applies fn to a record in progress; one that has ended stays as it is.
func change(tx catalog.Tx, id string, fn func(*Record)) error {
	r, err := Get(tx, id)
	if err != nil || r.Status.Terminal() {
		return err
	}
	fn(&r)
	return put(tx, r, "")
}

func put(tx catalog.Tx, r Record, ifMatch string) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("operation %s: %w", r.ID, err)
	}
	doc := catalog.Document{Kind: Kind, ID: strings.ToLower(r.ID), Body: body}
	if _, err := tx.Put(doc, ifMatch); err != nil {
		return fmt.Errorf("operation %s: %w", r.ID, err)
	}
	return nil
}

func newID() string {
	var b [16]byte
	rand.Read(b[:]) // documented never to fail
	return hex.EncodeToString(b[:])
}
