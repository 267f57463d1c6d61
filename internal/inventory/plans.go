package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// Plans say when instances are backed up next. Write them with PutPlan and
// DropPlan, which keep the index of due times.
var Plans = Collection[backup.Plan, *backup.Plan]{kind: "plan"}

// kindDue is the kind of the index: one small document for every plan, whose id
// begins with the moment it starts, so that what is due is the first page.
const kindDue = "due"

// Due is an entry of the index.
type Due struct {
	InstanceID string `json:"instance"`
	Cluster    string `json:"cluster"` // key of the cluster's id
	Waiting    string `json:"waiting,omitempty"`
	id         string
}

// dueTime sorts like the moments it stands for.
const dueTime = "2006-01-02T15:04:05Z"

func dueID(p *backup.Plan) string { return p.Start.UTC().Format(dueTime) + " " + backup.Key(p.ID) }

// DueBy reads a page of what starts at or before a moment, the first to start
// first, and where the next page begins; "" when this was the last.
func DueBy(tx catalog.Tx, moment time.Time, after string, limit int) (due []Due, next string, err error) {
	docs, err := tx.List(catalog.Query{Kind: kindDue, After: after, Limit: limit})
	if err != nil {
		return nil, "", fmt.Errorf("list what is due: %w", err)
	}
	for _, doc := range docs {
		if doc.ID[:len(dueTime)] > moment.UTC().Format(dueTime) {
			return due, "", nil
		}
		entry := Due{id: doc.ID}
		if err := json.Unmarshal(doc.Body, &entry); err != nil {
			return nil, "", fmt.Errorf("decode %s: %w", doc.ID, err)
		}
		due = append(due, entry)
	}
	if len(docs) == limit {
		next = docs[len(docs)-1].ID
	}
	return due, next, nil
}

// PlanOf reads the plan that an entry of the index is of; catalog.ErrNotFound
// when there is none any more, or it starts at another moment.
func (d Due) PlanOf(tx catalog.Tx) (*backup.Plan, error) {
	plan, err := Plans.Get(tx, d.InstanceID)
	if err == nil && dueID(plan) != d.id {
		err = fmt.Errorf("plan of %s: %w", d.InstanceID, catalog.ErrNotFound)
	}
	return plan, err
}

// Forget removes an entry whose plan is gone.
func (d Due) Forget(tx catalog.Tx) error { return forgive(tx.Delete(kindDue, d.id, "")) }

// PutPlan writes a plan, over the one that was read with its ETag or, without
// one, where none was; a writer that was slower gets catalog.ErrConflict.
func PutPlan(tx catalog.Tx, p *backup.Plan, clusterID string) error {
	ifMatch := p.ETag
	if ifMatch == "" {
		ifMatch = catalog.IfAbsent
	}
	if err := forgetDue(tx, p.ID); err != nil {
		return err
	}
	if err := Plans.PutIf(tx, p, ifMatch); err != nil {
		return err
	}
	body, err := json.Marshal(Due{InstanceID: p.ID, Cluster: backup.Key(clusterID), Waiting: p.Waiting})
	if err != nil {
		return fmt.Errorf("encode what is due for %s: %w", p.ID, err)
	}
	if _, err = tx.Put(catalog.Document{Kind: kindDue, ID: dueID(p), Body: body}, ""); err != nil {
		return fmt.Errorf("what is due for %s: %w", p.ID, err)
	}
	return nil
}

// DropPlan removes the plan of an instance, if it has one.
func DropPlan(tx catalog.Tx, instanceID string) error {
	if err := forgetDue(tx, instanceID); err != nil {
		return err
	}
	return forgive(Plans.Delete(tx, instanceID))
}

// forgetDue removes the entry of the plan as it is stored.
func forgetDue(tx catalog.Tx, instanceID string) error {
	stored, err := optional(Plans.Get(tx, instanceID))
	if err != nil || stored == nil {
		return err
	}
	return forgive(tx.Delete(kindDue, dueID(stored), ""))
}

// kindWatch is the kind of the one document that says who is on watch, and starts
// what is due.
const kindWatch = "schedule-watch"

// ErrRelieved says that a watch has ended, because another has begun.
var ErrRelieved = errors.New("another watch has begun")

// BeginWatch begins a watch and ends the one before. What the transaction reads, such
// as what runs, has all that was done on earlier watches: updates are serialisable, and
// whatever is done on watch is done in transactions that ask OnWatch.
func BeginWatch(tx catalog.Tx) (watch string, err error) {
	doc, err := tx.Put(catalog.Document{Kind: kindWatch, ID: kindWatch, Body: json.RawMessage(`{}`)}, "")
	if err != nil {
		return "", fmt.Errorf("begin a watch: %w", err)
	}
	return doc.ETag, nil
}

// OnWatch fails with ErrRelieved when the watch has ended.
func OnWatch(tx catalog.Tx, watch string) error {
	doc, err := tx.Get(kindWatch, kindWatch)
	if err == nil && doc.ETag != watch {
		err = ErrRelieved
	}
	return err
}

func forgive(err error) error {
	_, err = optional(&struct{}{}, err)
	return err
}

// plan asks for the plan of an instance to be made anew, whatever has changed.
func plan(tx catalog.Tx, i *backup.Instance) error {
	return Enqueue(tx, backup.Work{Kind: backup.WorkPlan, Subject: i.ID})
}
