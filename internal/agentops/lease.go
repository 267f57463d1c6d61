package agentops

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/catalog"
)

// LeaseTime is how long a worker holds an operation without a sign of life.
// Workers extend every quarter of it, so this also sets how often progress
// comes; what a killed worker had is offered again after it.
const LeaseTime = 20 * time.Second

// ErrLeaseLost says that the caller does not hold the operation, or no longer.
var ErrLeaseLost = errors.New("lease of the operation lost")

// Claim hands out the oldest operation of a line that nobody holds, with the
// token of its lease. ok is false when there is none.
func Claim(tx catalog.Tx, now time.Time, line string) (o Operation, token string, ok bool, err error) {
	if o, ok, err = Next(tx, now, line); err != nil || !ok {
		return Operation{}, "", false, err
	}
	token = rand.Text()
	o.State, o.LeaseHash, o.LeaseExpires = Leased, hash(token), now.Add(LeaseTime).UTC()
	o.Attempts++
	return o, token, true, put(tx, o)
}

// Next returns the operation that Claim would hand out, without claiming it:
// for those who look often, because it needs no writing transaction.
func Next(tx catalog.Tx, now time.Time, line string) (o Operation, ok bool, err error) {
	open, err := openIn(tx, line)
	if err != nil {
		return Operation{}, false, err
	}
	i := slices.IndexFunc(open, func(o Operation) bool { return !o.held(now) && now.Before(o.Deadline) })
	if i < 0 {
		return Operation{}, false, nil
	}
	return open[i], true, nil
}

// Open counts the operations of a line that have not ended.
func Open(tx catalog.Tx, line string) (int, error) {
	open, err := openIn(tx, line)
	return len(open), err
}

// Release gives an operation back that could not be handed over: as if it had
// not been claimed.
func Release(tx catalog.Tx, now time.Time, id, token string) error {
	o, err := owned(tx, id, token)
	if err != nil || o.State == Finished {
		return err
	}
	o.State, o.LeaseHash, o.LeaseExpires = Pending, "", now.UTC()
	o.Attempts--
	return put(tx, o)
}

// Extend renews the lease, keeps progress and health and enqueues Wake when they
// are news. ErrLeaseLost when the token is not that of the last lease, or the
// operation has ended. A lease that ran out is renewed as long as nobody else took
// the operation.
func Extend(tx catalog.Tx, now time.Time, id string, r agentv1.ExtendRequest) (Operation, error) {
	o, err := owned(tx, id, r.LeaseToken)
	if err != nil {
		return o, err
	}
	if o.State != Leased {
		return o, fmt.Errorf("extend agent operation %s: %w", id, ErrLeaseLost)
	}
	o.LeaseExpires = now.Add(LeaseTime).UTC()
	before := o
	o.Progress, o.Health = cmp.Or(r.Progress, o.Progress), cmp.Or(r.Health, o.Health)
	if reflect.DeepEqual(o.Progress, before.Progress) && reflect.DeepEqual(o.Health, before.Health) {
		return o, put(tx, o)
	}
	return o, errors.Join(put(tx, o), o.wake(tx))
}

// Finish ends an operation and enqueues its Wake. Repeated by who ended it, it
// changes nothing; ErrLeaseLost for anybody else.
func Finish(tx catalog.Tx, now time.Time, id string, r agentv1.FinishRequest) error {
	o, err := owned(tx, id, r.LeaseToken)
	if err != nil || o.State == Finished {
		return err
	}
	return end(tx, now, o, r)
}

func end(tx catalog.Tx, now time.Time, o Operation, r agentv1.FinishRequest) error {
	o.State, o.Ended = Finished, now.UTC()
	o.Outcome, o.Problem, o.Warnings, o.Result = r.Outcome, r.Problem, r.Warnings, r.Result
	return errors.Join(put(tx, o), o.wake(tx))
}

func (o Operation) wake(tx catalog.Tx) error {
	if o.Wake.Kind == "" {
		return nil
	}
	return tx.Enqueue(o.Wake)
}

// owned reads an operation for the holder of its last lease.
func owned(tx catalog.Tx, id, token string) (Operation, error) {
	o, err := Get(tx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return o, fmt.Errorf("agent operation %s: %w", id, ErrLeaseLost)
	}
	if err != nil {
		return o, err
	}
	if subtle.ConstantTimeCompare([]byte(o.LeaseHash), []byte(hash(token))) != 1 {
		return o, fmt.Errorf("agent operation %s: %w", id, ErrLeaseLost)
	}
	return o, nil
}

// held says whether somebody works on the operation.
func (o Operation) held(now time.Time) bool { return o.State == Leased && now.Before(o.LeaseExpires) }

// openIn reads the operations of a line that have not ended, oldest first.
func openIn(tx catalog.Tx, line string) ([]Operation, error) {
	docs, err := tx.List(catalog.Query{Kind: Kind, Labels: map[string]string{labelOpen: line}})
	if err != nil {
		return nil, fmt.Errorf("list operations of %s: %w", line, err)
	}
	open := make([]Operation, 0, len(docs))
	for _, doc := range docs {
		o, err := decode(doc)
		if err != nil {
			return nil, err
		}
		open = append(open, o)
	}
	slices.SortStableFunc(open, func(a, b Operation) int { return a.Created.Compare(b.Created) })
	return open, nil
}

// hash keeps lease tokens out of the catalog.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
