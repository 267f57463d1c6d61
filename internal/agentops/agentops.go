// Package agentops is the queue of operations for the programs in clusters: the
// four verbs post, claim, extend and finish over documents of the catalog. The
// workflow posts, the agent hub hands out; neither knows of the other.
//
// An operation is offered until somebody holds a lease on it, and offered
// again when the lease has run out. Whoever lost its lease can neither extend
// nor finish. The first ending wins. An operation's document holds no secret:
// what is secret in its spec is put in when it is handed out.
package agentops

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/catalog"
)

// Kind is the kind of the catalog documents that hold operations.
const Kind = "agentoperation"

// State is how far an operation has come.
type State string

// States. A leased operation whose lease has run out counts as pending.
const (
	Pending  State = "Pending"
	Leased   State = "Leased"
	Finished State = "Finished"
)

// Operation is one piece of work for a program in a cluster.
type Operation struct {
	ID        string // see NewID
	ClusterID string // full ARM id of the cluster
	Role      agentv1.Role
	Kind      agentv1.Kind
	// Spec is the spec of the kind, as JSON, without its secrets.
	Spec json.RawMessage
	// Refs name the secrets that are put into the spec when the operation is
	// handed out, as JSON; the poster's own.
	Refs     json.RawMessage `json:",omitempty"`
	Created  time.Time
	Deadline time.Time // after it the operation is not handed out any more
	// Wake is enqueued when there is progress and when the operation ends.
	Wake catalog.Job

	State           State
	Attempts        int       // how often it was handed out
	LeaseHash       string    // SHA-256 of the last lease's token, as hex
	LeaseExpires    time.Time // of the last lease
	CancelRequested bool
	Progress        *agentv1.Progress `json:",omitempty"` // what was reported last
	Health          *agentv1.Health   `json:",omitempty"` // what it was last said to wait for

	Ended    time.Time
	Outcome  agentv1.Outcome   `json:",omitempty"`
	Problem  *agentv1.Problem  `json:",omitempty"`
	Warnings []agentv1.Warning `json:",omitempty"`
	Result   json.RawMessage   `json:",omitempty"`
}

// NewID returns the id of the operation that does the named step of the named
// work: the same for the same names, so that a repeated step posts nothing new.
func NewID(names ...string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.Join(names, "\x00"))))
	return hex.EncodeToString(sum[:16])
}

// Ended operations keep the label of their line under this prefix, so that
// they are not looked at when one is claimed.
const (
	labelOpen   = "open"
	labelClosed = "closed"
)

// Line names the operations that one program may claim.
func Line(clusterID string, role agentv1.Role) string {
	return strings.ToLower(strings.TrimSuffix(clusterID, "/")) + " " + string(role)
}

// Line names who may claim the operation.
func (o Operation) Line() string { return Line(o.ClusterID, o.Role) }

// Post puts a new operation in line and returns it; one of the same id is
// returned as it stands. ID, ClusterID, Role, Kind, Spec, Deadline and Wake are
// the caller's.
func Post(tx catalog.Tx, now time.Time, o Operation) (Operation, error) {
	have, err := Get(tx, o.ID)
	if err == nil || !errors.Is(err, catalog.ErrNotFound) {
		return have, err
	}
	o.State, o.Created = Pending, now.UTC()
	return o, put(tx, o)
}

// Get reads an operation; an unknown id is catalog.ErrNotFound.
func Get(tx catalog.Tx, id string) (Operation, error) {
	doc, err := tx.Get(Kind, id)
	if err != nil {
		return Operation{}, fmt.Errorf("agent operation %s: %w", id, err)
	}
	return decode(doc)
}

// CancelGrace is how long an operation that is called off is still offered
// after its lease has run out.
const CancelGrace = 2 * time.Minute

// Cancel asks for an operation to be called off; repeat it until the operation
// has ended. One that nobody ever took ends at once. Else its worker is told
// when it extends its lease. When the worker is silent, the operation is
// offered again for a while, so that the next one stops what is under way in
// the cluster; then it ends.
func Cancel(tx catalog.Tx, now time.Time, id string) error {
	o, err := Get(tx, id)
	if err != nil || o.State == Finished {
		return err
	}
	told := o.CancelRequested
	o.CancelRequested = true
	switch {
	case o.Attempts == 0 || now.Sub(o.LeaseExpires) >= CancelGrace:
		return end(tx, now, o, agentv1.FinishRequest{Outcome: agentv1.OutcomeCancelled})
	case told:
		return nil
	default:
		return put(tx, o)
	}
}

// GiveUp ends an operation for the worker, who then has lost its lease. An
// operation that has ended stays as it is.
func GiveUp(tx catalog.Tx, now time.Time, id string, problem agentv1.Problem) error {
	o, err := Get(tx, id)
	if err != nil || o.State == Finished {
		return err
	}
	o.LeaseHash = ""
	return end(tx, now, o, agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed, Problem: &problem})
}

// GivenUp says whether the service ended the operation, and not its worker.
func (o Operation) GivenUp() bool {
	return o.State == Finished && o.Outcome == agentv1.OutcomeFailed && o.LeaseHash == ""
}

// Remove forgets an operation; an unknown one is no error.
func Remove(tx catalog.Tx, id string) error {
	if err := tx.Delete(Kind, id, ""); err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return fmt.Errorf("remove agent operation %s: %w", id, err)
	}
	return nil
}

func put(tx catalog.Tx, o Operation) error {
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("agent operation %s: %w", o.ID, err)
	}
	label := labelOpen
	if o.State == Finished {
		label = labelClosed
	}
	doc := catalog.Document{Kind: Kind, ID: o.ID, Labels: map[string]string{label: o.Line()}, Body: body}
	if _, err := tx.Put(doc, ""); err != nil {
		return fmt.Errorf("agent operation %s: %w", o.ID, err)
	}
	return nil
}

func decode(doc catalog.Document) (Operation, error) {
	var o Operation
	if err := json.Unmarshal(doc.Body, &o); err != nil {
		return Operation{}, fmt.Errorf("agent operation %s: %w", doc.ID, err)
	}
	return o, nil
}
