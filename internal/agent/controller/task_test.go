package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

var someRun = types.NamespacedName{Namespace: "holdfast", Name: "op-1"}

func waitDone[R any](t *testing.T, task *task[R]) {
	t.Helper()
	select {
	case <-task.done:
	case <-time.After(time.Minute):
		t.Fatal("the task does not end")
	}
}

func untilCancelled(ctx context.Context, _ *journal) (func(int), error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestPoolRunsEachRunOnce(t *testing.T) {
	ended := make(chan types.NamespacedName, 9)
	p := newPool[int](func(name types.NamespacedName) { ended <- name })
	first := p.get(someRun, "uid", untilCancelled)
	if again := p.get(someRun, "uid", untilCancelled); again != first {
		t.Fatal("a second task for the same run")
	}
	first.cancel(errCancelled)
	waitDone(t, first)
	if !errors.Is(first.err, errCancelled) || !errors.Is(first.cause, errCancelled) {
		t.Errorf("ended with %v because of %v", first.err, first.cause)
	}
	if name := <-ended; name != someRun {
		t.Errorf("told of %s", name)
	}
	if again := p.get(someRun, "uid", untilCancelled); again != first {
		t.Error("a run that is over was started again before it was dropped")
	}
	p.drop(someRun)
	if again := p.get(someRun, "uid", untilCancelled); again == first {
		t.Error("a dropped task was kept")
	}
}

func TestPoolReplacesARunOfTheSameName(t *testing.T) {
	p := newPool[int](func(types.NamespacedName) {})
	old := p.get(someRun, "old", untilCancelled)
	if early := p.get(someRun, "new", untilCancelled); early != nil {
		t.Fatal("two runs of one name work side by side")
	}
	waitDone(t, old) // it was told to stop
	p.drop(someRun)
	if fresh := p.get(someRun, "new", untilCancelled); fresh == nil || fresh.uid != "new" {
		t.Error("the new run does not start")
	}
}

func TestPoolStops(t *testing.T) {
	p := newPool[int](func(types.NamespacedName) {})
	task := p.get(someRun, "uid", untilCancelled)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	waitDone(t, task)
	if !errors.Is(task.cause, errShutdown) {
		t.Errorf("ended because of %v", task.cause)
	}
}

func TestLocksKeepRunsApart(t *testing.T) {
	var l locks
	ctx := context.Background()
	release, err := l.take(ctx, "instance")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := l.take(ctx, "another"); err != nil {
		t.Fatal(err)
	} else {
		other()
	}
	taken := make(chan func())
	go func() {
		second, err := l.take(ctx, "instance")
		if err != nil {
			t.Error(err)
		}
		taken <- second
	}()
	select {
	case <-taken:
		t.Fatal("taken twice")
	case <-time.After(20 * time.Millisecond):
	}
	impatient, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, err := l.take(impatient, "instance"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	release()
	(<-taken)()
}

func TestRunSteps(t *testing.T) {
	var took []string
	stop := errors.New("stop")
	s := func(name string, err error) step {
		return step{name, name, func(context.Context) error { took = append(took, name); return err }}
	}
	var j journal
	if err := runSteps(context.Background(), &j, []step{s("a", nil), s("b", stop), s("c", nil)}, never); err == nil {
		t.Error("no error")
	}
	if err := runSteps(context.Background(), &j, []step{s("d", nil), s("e", nil)}, func() bool { return len(took) == 3 }); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := runSteps(ended, &j, []step{s("f", nil)}, never); err == nil {
		t.Error("a step was taken after the end")
	}
	if got := len(took); got != 3 || took[2] != "d" {
		t.Errorf("took %v", took)
	}
}
