package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/agent/session/sessiontest"
	"holdfast.dev/holdfast/internal/clock"
)

func start(t *testing.T) *sessiontest.Service {
	t.Helper()
	service := sessiontest.Start(nil)
	t.Cleanup(service.Close)
	service.NewToken("one-time", agentv1.RoleExtension)
	return service
}

func config(t *testing.T, service *sessiontest.Service) session.Config {
	t.Helper()
	return session.Config{
		Address: service.Address(), ServiceCA: service.CA(), Token: "one-time",
		Store: session.FileStore{Path: filepath.Join(t.TempDir(), "identity")},
		Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), FirstWait: 20 * time.Millisecond,
	}
}

func connect(t *testing.T, config session.Config) *session.Client {
	t.Helper()
	client, err := session.Connect(t.Context(), config, agentv1.ClusterFacts{})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return client
}

// handler calls a function per operation.
type handler func(ctx context.Context, operation agentv1.Operation, report session.Report) session.Result

func (h handler) Handle(ctx context.Context, operation agentv1.Operation, report session.Report) session.Result {
	return h(ctx, operation, report)
}

// work runs a worker in the background until the test or the returned stop ends it.
func work(t *testing.T, client *session.Client, h handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	worker := &session.Worker{
		Client: client, Handler: h, Slots: 2, Log: slog.New(slog.DiscardHandler),
		Facts:  func(context.Context) agentv1.ClusterFacts { return agentv1.ClusterFacts{Nodes: 3} },
		Health: func(context.Context) *agentv1.Health { return &agentv1.Health{Healthy: true} },
	}
	var done sync.WaitGroup
	done.Go(func() { _ = worker.Run(ctx) })
	stop = func() { cancel(); done.Wait() }
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func succeed(context.Context, agentv1.Operation, session.Report) session.Result {
	return session.Result{Outcome: agentv1.OutcomeSucceeded, Value: json.RawMessage(`{"objects":1}`)}
}

func TestEnrolThroughFaults(t *testing.T) {
	faults := map[string]sessiontest.Faults{
		"none":            {},
		"dropped":         {Drop: 3},
		"server errors":   {Refuse: 3},
		"busy":            {Busy: 1},
		"answer lost":     {Lose: 1}, // the token is spent, the same key must be offered again
		"all of it, slow": {Drop: 1, Refuse: 1, Lose: 1, Latency: 20 * time.Millisecond},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			service := start(t)
			service.Misbehave(fault)
			client := connect(t, config(t, service))
			if client.Role() != agentv1.RoleExtension || client.ClusterID() != service.ClusterID {
				t.Errorf("enrolled as %s of %s", client.Role(), client.ClusterID())
			}
		})
	}
}

func TestEnrolRefused(t *testing.T) {
	service := start(t)
	c := config(t, service)
	c.Token = "wrong"
	if _, err := session.Connect(t.Context(), c, agentv1.ClusterFacts{}); !errors.Is(err, session.ErrNotEnrolled) {
		t.Errorf("wrong token: %v, want ErrNotEnrolled", err)
	}
	c.Token = ""
	if _, err := session.Connect(t.Context(), c, agentv1.ClusterFacts{}); !errors.Is(err, session.ErrNotEnrolled) {
		t.Errorf("no token: %v, want ErrNotEnrolled", err)
	}
}

func TestTokenCannotBeSpentByAnother(t *testing.T) {
	service := start(t)
	connect(t, config(t, service))
	thief := config(t, service) // another store, so another key
	if _, err := session.Connect(t.Context(), thief, agentv1.ClusterFacts{}); !errors.Is(err, session.ErrNotEnrolled) {
		t.Errorf("second use of a token: %v, want ErrNotEnrolled", err)
	}
}

func TestIdentitySurvivesRestart(t *testing.T) {
	service := start(t)
	c := config(t, service)
	connect(t, c)
	for _, token := range []string{"one-time", "", "refused"} {
		c.Token = token
		if client := connect(t, c); client.Role() != agentv1.RoleExtension {
			t.Errorf("token %q: role %q", token, client.Role())
		}
	}
	service.NewToken("next", agentv1.RoleConnector)
	c.Token = "next"
	if client := connect(t, c); client.Role() != agentv1.RoleConnector {
		t.Errorf("a new token enrols anew: role %q", client.Role())
	}
}

func TestServiceNotTrusted(t *testing.T) {
	service, other := start(t), start(t)
	c := config(t, service)
	c.ServiceCA = other.CA()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := session.Connect(ctx, c, agentv1.ClusterFacts{}); err == nil {
		t.Error("enrolled with a service that is not trusted")
	}
}

func TestRotation(t *testing.T) {
	service := start(t)
	service.RenewAfter = 50 * time.Millisecond
	c := config(t, service)
	client := connect(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = client.Rotate(ctx) })
	service.Misbehave(sessiontest.Faults{Drop: 1, Refuse: 1, Lose: 1})
	eventually(t, "three renewals", func() bool { return service.Renewals() >= 3 })
	cancel()
	done.Wait()
	stored, err := c.Store.Load(t.Context())
	if err != nil || stored.Role != agentv1.RoleExtension {
		t.Fatalf("stored identity: %v %v", stored.Role, err)
	}
	work(t, client, succeed)
	service.Offer("after", agentv1.KindBackup, agentv1.Backup{}, time.Now().Add(time.Minute))
	eventually(t, "work with the rotated certificate", func() bool { return service.Operation("after").Finished != nil })
}

func TestWorkThroughFaults(t *testing.T) {
	service := start(t)
	client := connect(t, config(t, service))
	service.LeaseSeconds = 1
	service.Misbehave(sessiontest.Faults{Drop: 2, Refuse: 2, Lose: 2, Busy: 1, Latency: 5 * time.Millisecond})
	var after atomic.Int32
	work(t, client, func(context.Context, agentv1.Operation, session.Report) session.Result {
		return session.Result{Outcome: agentv1.OutcomeSucceeded, After: func(context.Context) { after.Add(1) }}
	})
	for _, id := range []string{"a", "b", "c", "d"} {
		service.Offer(id, agentv1.KindBackup, agentv1.Backup{}, time.Now().Add(time.Minute))
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		eventually(t, id, func() bool { return service.Operation(id).Finished != nil })
	}
	eventually(t, "cleaning up", func() bool { return after.Load() >= 3 })
	claims := service.Claims()
	if last := claims[len(claims)-1]; last.Facts.Nodes != 3 || last.Health == nil || last.Capability != agentv1.Capability {
		t.Errorf("claim %+v lacks facts, health or capability", last)
	}
}

// The service learns of health with claims only: a worker that is not well
// must not sit in a long one.
func TestUnwellAsksSoon(t *testing.T) {
	service := start(t)
	var healthy atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	worker := &session.Worker{
		Client: connect(t, config(t, service)), Slots: 1, Log: slog.New(slog.DiscardHandler),
		Facts:  func(context.Context) agentv1.ClusterFacts { return agentv1.ClusterFacts{} },
		Health: func(context.Context) *agentv1.Health { return &agentv1.Health{Healthy: healthy.Load()} },
	}
	var done sync.WaitGroup
	done.Go(func() { _ = worker.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	eventually(t, "a claim", func() bool { return len(service.Claims()) > 0 })
	healthy.Store(true)
	eventually(t, "the news of health", func() bool {
		claims := service.Claims()
		last := claims[len(claims)-1]
		return last.Health.Healthy && last.WaitSeconds > claims[0].WaitSeconds
	})
}

func TestExtendAndCancel(t *testing.T) {
	service := start(t)
	service.LeaseSeconds = 4 // not lost where the machine is busy for a while
	client := connect(t, config(t, service))
	work(t, client, func(ctx context.Context, _ agentv1.Operation, report session.Report) session.Result {
		report.Progress(agentv1.Progress{Phase: "Collecting", ItemsDone: 7})
		select {
		case <-report.Cancelled():
			return session.Result{Outcome: agentv1.OutcomeCancelled}
		case <-ctx.Done():
			return session.Result{}
		}
	})
	service.Offer("long", agentv1.KindBackup, agentv1.Backup{}, time.Now().Add(time.Minute))
	eventually(t, "progress after more than one lease", func() bool { return len(service.Operation("long").Progress) >= 5 })
	if got := service.Operation("long"); got.Deliveries != 1 || got.Progress[0].ItemsDone != 7 {
		t.Errorf("delivered %d times with progress %+v", got.Deliveries, got.Progress[0])
	}
	service.Cancel("long")
	eventually(t, "end", func() bool { return service.Operation("long").Finished != nil })
	if got := service.Operation("long").Finished.Outcome; got != agentv1.OutcomeCancelled {
		t.Errorf("outcome %s", got)
	}
}

func TestLeaseLostStopsTheHandler(t *testing.T) {
	service := start(t)
	service.LeaseSeconds = 1
	client := connect(t, config(t, service))
	var calls atomic.Int32
	stopped := make(chan error, 1)
	work(t, client, func(ctx context.Context, operation agentv1.Operation, report session.Report) session.Result {
		if calls.Add(1) > 1 {
			return succeed(ctx, operation, report)
		}
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return session.Result{}
	})
	service.Offer("x", agentv1.KindBackup, agentv1.Backup{}, time.Now().Add(time.Minute))
	eventually(t, "delivery", func() bool { return calls.Load() == 1 })
	service.Steal("x")
	if cause := <-stopped; !errors.Is(cause, session.ErrLeaseLost) {
		t.Errorf("cause %v, want ErrLeaseLost", cause)
	}
	eventually(t, "second delivery", func() bool { return service.Operation("x").Finished != nil })
	if got := service.Operation("x"); got.Deliveries < 2 || got.Finishes != 1 {
		t.Errorf("deliveries %d, finishes %d", got.Deliveries, got.Finishes)
	}
}

// A service that takes calls and does not answer them holds nobody up for
// longer than the lease.
func TestHangingServiceLosesTheLease(t *testing.T) {
	service := start(t)
	service.LeaseSeconds = 1
	client := connect(t, config(t, service))
	stopped := make(chan time.Duration, 1)
	work(t, client, func(ctx context.Context, _ agentv1.Operation, _ session.Report) session.Result {
		service.Misbehave(sessiontest.Faults{Latency: time.Hour})
		began := time.Now()
		<-ctx.Done()
		stopped <- time.Since(began)
		return session.Result{}
	})
	service.Offer("x", agentv1.KindBackup, agentv1.Backup{}, time.Now().Add(time.Minute))
	if held := <-stopped; held > 20*time.Second { // a call may take 30 s, and a busy machine some
		t.Fatalf("the handler went on for %v under a lease of one second", held)
	}
}

func TestUnreachableServiceLosesTheLease(t *testing.T) {
	service := start(t)
	service.LeaseSeconds = 1
	client := connect(t, config(t, service))
	stopped := make(chan error, 1)
	work(t, client, func(ctx context.Context, _ agentv1.Operation, _ session.Report) session.Result {
		service.Misbehave(sessiontest.Faults{Drop: 1 << 20})
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return session.Result{}
	})
	service.Offer("x", agentv1.KindBackup, agentv1.Backup{}, time.Now().Add(time.Minute))
	select {
	case cause := <-stopped:
		if !errors.Is(cause, session.ErrLeaseLost) {
			t.Errorf("cause %v", cause)
		}
	case <-time.After(time.Minute):
		t.Fatal("handler still runs after its lease ran out")
	}
}

func TestStopLeavesTheOperationForTheNext(t *testing.T) {
	service := start(t)
	service.LeaseSeconds = 1
	c := config(t, service)
	begun := make(chan struct{}, 1)
	stop := work(t, connect(t, c), func(ctx context.Context, _ agentv1.Operation, _ session.Report) session.Result {
		begun <- struct{}{}
		<-ctx.Done()
		return session.Result{Outcome: agentv1.OutcomeFailed}
	})
	service.Offer("x", agentv1.KindBackup, agentv1.Backup{}, time.Now().Add(time.Minute))
	<-begun
	stop()
	if service.Operation("x").Finished != nil {
		t.Fatal("a stopped worker finished its operation")
	}
	work(t, connect(t, c), succeed)
	eventually(t, "redelivery", func() bool { return service.Operation("x").Finished != nil })
	if got := service.Operation("x").Finished.Outcome; got != agentv1.OutcomeSucceeded {
		t.Errorf("outcome %s", got)
	}
}
