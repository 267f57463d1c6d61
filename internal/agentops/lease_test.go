package agentops_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
)

const cluster = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"

var (
	begin = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	line  = agentops.Line(cluster, agentv1.RoleExtension)
)

func operation(id string) agentops.Operation {
	return agentops.Operation{
		ID: id, ClusterID: cluster, Role: agentv1.RoleExtension, Kind: agentv1.KindBackup, Spec: []byte(`{}`),
		Deadline: begin.Add(time.Hour), Wake: catalog.Job{Kind: "backup", Args: []byte(`{}`), UniqueKey: id},
	}
}

// queue is the four verbs, each in a transaction of its own.
type queue struct {
	t     rapid.TB
	store *catalogtest.Memory
}

func (q queue) update(fn func(tx catalog.Tx) error) error {
	return q.store.Update(context.Background(), fn)
}

func (q queue) post(now time.Time, id string) {
	if err := q.update(func(tx catalog.Tx) error { _, err := agentops.Post(tx, now, operation(id)); return err }); err != nil {
		q.t.Fatalf("post: %v", err)
	}
}

func (q queue) claim(now time.Time) (id, token string) {
	err := q.update(func(tx catalog.Tx) error {
		o, got, ok, err := agentops.Claim(tx, now, line)
		if ok {
			id, token = o.ID, got
		}
		return err
	})
	if err != nil {
		q.t.Fatalf("claim: %v", err)
	}
	return id, token
}

func (q queue) extend(now time.Time, id, token string) error {
	return q.update(func(tx catalog.Tx) error {
		_, err := agentops.Extend(tx, now, id, agentv1.ExtendRequest{LeaseToken: token})
		return err
	})
}

func (q queue) finish(now time.Time, id, token string, outcome agentv1.Outcome) error {
	return q.update(func(tx catalog.Tx) error {
		return agentops.Finish(tx, now, id, agentv1.FinishRequest{LeaseToken: token, Outcome: outcome})
	})
}

func (q queue) get(id string) (o agentops.Operation) {
	err := q.store.View(context.Background(), func(tx catalog.Tx) (err error) { o, err = agentops.Get(tx, id); return err })
	if err != nil {
		q.t.Fatalf("get: %v", err)
	}
	return o
}

func newQueue(t rapid.TB) queue { return queue{t, catalogtest.NewMemory()} }

func TestLifeOfAnOperation(t *testing.T) {
	q := newQueue(t)
	q.post(begin, "a")
	q.post(begin.Add(time.Second), "a") // a repeated step
	id, token := q.claim(begin)
	if id != "a" || token == "" {
		t.Fatalf("claimed %q with token %q", id, token)
	}
	if other, _ := q.claim(begin); other != "" {
		t.Fatalf("claimed %q while it is held", other)
	}
	if err := q.extend(begin.Add(agentops.LeaseTime*9/10), "a", token); err != nil {
		t.Fatal(err)
	}
	if other, _ := q.claim(begin.Add(agentops.LeaseTime * 18 / 10)); other != "" {
		t.Fatal("an extended lease ran out")
	}
	for range 2 {
		if err := q.finish(begin.Add(2*agentops.LeaseTime), "a", token, agentv1.OutcomeSucceeded); err != nil {
			t.Fatalf("finish: %v", err)
		}
	}
	if jobs := q.store.Jobs(); len(jobs) != 1 || jobs[0].UniqueKey != "a" {
		t.Fatalf("jobs = %+v, want the one wake", jobs)
	}
	if err := q.extend(begin, "a", token); !errors.Is(err, agentops.ErrLeaseLost) {
		t.Fatalf("extend after the end: %v", err)
	}
}

// Who waits for an operation is woken by what it is said to wait for, once.
func TestHealthIsNews(t *testing.T) {
	q := newQueue(t)
	q.post(begin, "a")
	_, token := q.claim(begin)
	unwell := func() *agentv1.Health {
		return &agentv1.Health{Problems: []agentv1.Problem{{Code: "X", Message: "no room"}}}
	}
	for _, c := range []struct {
		health *agentv1.Health
		wakes  int
	}{{unwell(), 1}, {unwell(), 0}, {nil, 0}, {&agentv1.Health{Healthy: true}, 1}} {
		q.store.TakeJobs()
		err := q.update(func(tx catalog.Tx) error {
			_, err := agentops.Extend(tx, begin, "a", agentv1.ExtendRequest{LeaseToken: token, Health: c.health})
			return err
		})
		if err != nil || len(q.store.Jobs()) != c.wakes {
			t.Errorf("%+v: %d wakes, %v", c.health, len(q.store.Jobs()), err)
		}
	}
	if o := q.get("a"); !o.Health.Healthy {
		t.Errorf("health = %+v", o.Health)
	}
}

func TestLostLease(t *testing.T) {
	q := newQueue(t)
	q.post(begin, "a")
	_, first := q.claim(begin)
	_, second := q.claim(begin.Add(agentops.LeaseTime))
	if second == "" {
		t.Fatal("an operation whose lease ran out was not offered again")
	}
	for name, err := range map[string]error{
		"extend":  q.extend(begin, "a", first),
		"finish":  q.finish(begin, "a", first, agentv1.OutcomeSucceeded),
		"unknown": q.finish(begin, "z", first, agentv1.OutcomeSucceeded),
		"empty":   q.finish(begin, "a", "", agentv1.OutcomeSucceeded),
	} {
		if !errors.Is(err, agentops.ErrLeaseLost) {
			t.Errorf("%s with a lost lease: %v", name, err)
		}
	}
	if err := q.finish(begin, "a", second, agentv1.OutcomeFailed); err != nil {
		t.Fatal(err)
	}
	if err := q.finish(begin, "a", first, agentv1.OutcomeSucceeded); !errors.Is(err, agentops.ErrLeaseLost) {
		t.Fatalf("late finish: %v", err)
	}
	if o := q.get("a"); o.Outcome != agentv1.OutcomeFailed || o.Attempts != 2 {
		t.Fatalf("operation ended as %+v", o)
	}
}

func TestCancelAndGiveUp(t *testing.T) {
	q := newQueue(t)
	for _, id := range []string{"pending", "held", "late"} {
		q.post(begin, id)
	}
	tokens := map[string]string{}
	for range 3 {
		id, token := q.claim(begin)
		tokens[id] = token
	}
	if err := q.update(func(tx catalog.Tx) error { return agentops.Release(tx, begin, "pending", tokens["pending"]) }); err != nil {
		t.Fatal(err)
	}
	err := q.update(func(tx catalog.Tx) error {
		return errors.Join(agentops.Cancel(tx, begin, "pending"), agentops.Cancel(tx, begin, "held"),
			agentops.GiveUp(tx, begin, "late", agentv1.Problem{Code: "Deadline"}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if o := q.get("pending"); o.State != agentops.Finished || o.Outcome != agentv1.OutcomeCancelled {
		t.Errorf("pending operation after cancel: %+v", o)
	}
	if o := q.get("held"); o.State != agentops.Leased || !o.CancelRequested {
		t.Errorf("held operation after cancel: %+v", o)
	}
	if err := q.finish(begin, "late", tokens["late"], agentv1.OutcomeSucceeded); !errors.Is(err, agentops.ErrLeaseLost) {
		t.Errorf("finish after it was given up: %v", err)
	}
	if err := q.finish(begin, "held", tokens["held"], agentv1.OutcomeFailed); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"late": true, "pending": false, "held": false} {
		if got := q.get(id).GivenUp(); got != want {
			t.Errorf("%s was given up by the service: %v", id, got)
		}
	}
}

// What a silent worker began in the cluster is stopped by the next one; when
// there is none, the operation ends all the same.
func TestCancelOfASilentWorker(t *testing.T) {
	q := newQueue(t)
	q.post(begin, "a")
	q.claim(begin)
	cancel := func(at time.Time) agentops.Operation {
		if err := q.update(func(tx catalog.Tx) error { return agentops.Cancel(tx, at, "a") }); err != nil {
			t.Fatal(err)
		}
		return q.get("a")
	}
	silent := begin.Add(agentops.LeaseTime)
	if o := cancel(silent); o.State == agentops.Finished {
		t.Fatal("ended although something may run in the cluster")
	}
	if id, _ := q.claim(silent); id != "a" {
		t.Fatalf("claimed %q, want the operation that is called off", id)
	}
	silent = silent.Add(agentops.LeaseTime)
	if o := cancel(silent.Add(agentops.CancelGrace - 1)); o.State == agentops.Finished {
		t.Fatal("ended before the next worker had its time")
	}
	if o := cancel(silent.Add(agentops.CancelGrace)); o.Outcome != agentv1.OutcomeCancelled {
		t.Fatalf("operation = %+v", o)
	}
}

// What was not handed over counts as never claimed.
func TestRelease(t *testing.T) {
	q := newQueue(t)
	q.post(begin, "a")
	_, token := q.claim(begin)
	if err := q.update(func(tx catalog.Tx) error { return agentops.Release(tx, begin, "a", token) }); err != nil {
		t.Fatal(err)
	}
	if o := q.get("a"); o.Attempts != 0 || o.State != agentops.Pending || o.LeaseExpires.IsZero() {
		t.Fatalf("operation = %+v", o)
	}
	if err := q.extend(begin, "a", token); !errors.Is(err, agentops.ErrLeaseLost) {
		t.Fatalf("extend after release: %v", err)
	}
}

func TestOldestFirstAndDeadline(t *testing.T) {
	q := newQueue(t)
	q.post(begin.Add(time.Second), "a")
	q.post(begin, "b")
	if id, _ := q.claim(begin.Add(time.Second)); id != "b" {
		t.Fatalf("claimed %q first, want the oldest", id)
	}
	if id, _ := q.claim(begin.Add(2 * time.Hour)); id != "" {
		t.Fatalf("claimed %q after its deadline", id)
	}
}

func TestOneOfManyClaims(t *testing.T) {
	q := newQueue(t)
	q.post(begin, "a")
	var group sync.WaitGroup
	won := make(chan string, 8)
	for range 8 {
		group.Go(func() {
			if id, token := q.claim(begin); id != "" {
				won <- token
			}
		})
	}
	group.Wait()
	if len(won) != 1 {
		t.Fatalf("%d workers claimed the operation", len(won))
	}
}

func TestPrune(t *testing.T) {
	q := newQueue(t)
	q.post(begin, "old")
	q.post(begin, "open")
	id, token := q.claim(begin)
	if err := q.finish(begin, id, token, agentv1.OutcomeSucceeded); err != nil {
		t.Fatal(err)
	}
	for before, left := range map[time.Time]int{begin: 2, begin.Add(time.Second): 1} {
		err := q.update(func(tx catalog.Tx) error {
			if _, err := agentops.Prune(tx, before, ""); err != nil {
				return err
			}
			docs, err := tx.List(catalog.Query{Kind: agentops.Kind})
			if len(docs) != left {
				t.Errorf("%d operations left, want %d", len(docs), left)
			}
			return errors.Join(err, errRollBack)
		})
		if !errors.Is(err, errRollBack) {
			t.Fatal(err)
		}
	}
}

var errRollBack = errors.New("roll back")

func TestBell(t *testing.T) {
	var bell agentops.Bell
	bell.Ring("nobody")
	first, other := bell.Waiting("a"), bell.Waiting("b")
	bell.Ring("a")
	<-first
	select {
	case <-other:
		t.Fatal("rung for another line")
	case <-bell.Waiting("a"):
		t.Fatal("an old ring was heard again")
	default:
	}
}

// TestLeases drives the queue with random steps and compares it with a model
// of who may do what.
func TestLeases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{queue: newQueue(t), now: begin, holder: map[string]lease{}, ended: map[string]string{}}
		t.Repeat(map[string]func(*rapid.T){
			"post":   func(*rapid.T) { m.post() },
			"claim":  m.claimStep,
			"extend": m.extendStep,
			"finish": m.finishStep,
			"wait":   func(t *rapid.T) { m.now = m.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "s")) * time.Second) },
			"":       m.check,
		})
	})
}

type lease struct {
	token   string
	expires time.Time
}

type model struct {
	queue  queue
	now    time.Time
	posted int
	holder map[string]lease  // last lease of every operation that has not ended
	ended  map[string]string // by which token
	tokens []struct{ id, token string }
}

func (m *model) post() {
	if m.posted == 4 {
		return
	}
	m.queue.post(m.now, fmt.Sprint(m.posted))
	m.posted++
}

func (m *model) claimStep(t *rapid.T) {
	id, token := m.queue.claim(m.now)
	if id == "" {
		return
	}
	if _, done := m.ended[id]; done {
		t.Fatalf("claimed %s, which has ended", id)
	}
	if held, ok := m.holder[id]; ok && m.now.Before(held.expires) {
		t.Fatalf("claimed %s, which is held until %v, at %v", id, held.expires, m.now)
	}
	m.holder[id] = lease{token, m.now.Add(agentops.LeaseTime)}
	m.tokens = append(m.tokens, struct{ id, token string }{id, token})
}

func (m *model) extendStep(t *rapid.T) {
	if len(m.tokens) == 0 {
		return
	}
	by := rapid.SampledFrom(m.tokens).Draw(t, "lease")
	_, done := m.ended[by.id]
	want := !done && m.holder[by.id].token == by.token
	if got := m.queue.extend(m.now, by.id, by.token) == nil; got != want {
		t.Fatalf("extend %s allowed = %v, want %v", by.id, got, want)
	}
	if want {
		m.holder[by.id] = lease{by.token, m.now.Add(agentops.LeaseTime)}
	}
}

func (m *model) finishStep(t *rapid.T) {
	if len(m.tokens) == 0 {
		return
	}
	by := rapid.SampledFrom(m.tokens).Draw(t, "lease")
	ender, done := m.ended[by.id]
	want := m.holder[by.id].token == by.token && (!done || ender == by.token)
	if got := m.queue.finish(m.now, by.id, by.token, agentv1.OutcomeSucceeded) == nil; got != want {
		t.Fatalf("finish %s allowed = %v, want %v", by.id, got, want)
	}
	if want {
		m.ended[by.id] = by.token
	}
}

func (m *model) check(t *rapid.T) {
	if jobs := len(m.queue.store.Jobs()); jobs != len(m.ended) {
		t.Fatalf("%d wakes for %d ended operations", jobs, len(m.ended))
	}
}
