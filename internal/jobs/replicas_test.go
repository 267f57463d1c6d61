package jobs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/test/postgres"
)

// counting is a step that counts itself in the catalog and in n, and enqueues the
// next of its kind, as the steps of the workflow do.
func counting(store catalog.Store, n *atomic.Int64) jobs.Handler {
	return jobs.Handler{Kind: "count", Work: func(ctx context.Context, args json.RawMessage) (jobs.Result, error) {
		var left int
		if err := json.Unmarshal(args, &left); err != nil {
			return jobs.Failed(err), nil
		}
		err := store.Update(ctx, func(tx catalog.Tx) error {
			doc, err := tx.Get("counter", "c")
			if err != nil {
				return err
			}
			count, err := strconv.Atoi(string(doc.Body))
			if err != nil {
				return err
			}
			doc.Body = json.RawMessage(strconv.Itoa(count + 1))
			if _, err = tx.Put(doc, doc.ETag); err != nil || left == 0 {
				return err
			}
			return tx.Enqueue(catalog.Job{Kind: "count", Args: json.RawMessage(strconv.Itoa(left - 1))})
		})
		if err == nil {
			n.Add(1)
		}
		return jobs.Done(), err
	}}
}

// Two replicas on one database share the work: each job is done once, whoever
// does it, and when one replica goes the other does the rest.
func TestTwoReplicas(t *testing.T) {
	const lines, length = 20, 9
	url := postgres.Database(t)
	var did [2]atomic.Int64
	var stops [2]func()
	var dbs [2]*sqlstore.DB
	for i := range dbs {
		dbs[i] = openPostgres(t, url)
	}
	if err := dbs[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	queue, err := jobs.NewQueue(dbs[0])
	if err != nil {
		t.Fatal(err)
	}
	store := sqlstore.New(dbs[0], queue.Enqueue)
	err = store.Update(t.Context(), func(tx catalog.Tx) error {
		_, err := tx.Put(catalog.Document{Kind: "counter", ID: "c", Body: json.RawMessage(`0`)}, "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range dbs {
		q, err := jobs.NewQueue(dbs[i])
		if err != nil {
			t.Fatal(err)
		}
		stops[i] = start(t, dbs[i], counting(sqlstore.New(dbs[i], q.Enqueue), &did[i]))
	}
	var all []catalog.Job
	for i := range lines {
		all = append(all, catalog.Job{Kind: "count", UniqueKey: fmt.Sprint(i), Args: json.RawMessage(strconv.Itoa(length))})
	}
	enqueue(t, dbs[0], all...)
	total := lines * (length + 1)
	eventually(t, "both replicas take a part", time.Minute, func() bool {
		both := did[0].Load() > 0 && did[1].Load() > 0
		if !both { // the one that is up first may have done all before the other is
			enqueue(t, dbs[0], catalog.Job{Kind: "count", Args: json.RawMessage(`0`)})
			total++
		}
		return both
	})
	stops[0]()
	eventually(t, "all is done", 2*time.Minute, func() bool {
		return count(t, dbs[1].Read, `state = 'completed'`) == total
	})
	err = store.View(t.Context(), func(tx catalog.Tx) error {
		doc, err := tx.Get("counter", "c")
		if err == nil && string(doc.Body) != fmt.Sprint(total) {
			err = fmt.Errorf("%s steps were counted, want %d", doc.Body, total)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
