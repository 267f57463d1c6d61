package controller

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// task is the work on one run object, in a goroutine of its own.
type task[R any] struct {
	uid     types.UID
	journal journal
	cancel  context.CancelCauseFunc
	done    chan struct{}
	// Valid once done is closed:
	finish func(R) // writes the result into a run
	err    error
	cause  error // why the context ended, if it did
	// settled says that the outcome was written; only Reconcile uses it. The task
	// is kept until the cache shows that, so that no stale read starts it again.
	settled bool
}

// work carries out a run and returns what writes its result. It returns only
// when the run's helper objects are gone, unless ctx ended with errShutdown.
type work[R any] func(ctx context.Context, run R, j *journal) (finish func(R), err error)

// pool holds the tasks of one kind of runs, by name.
type pool[R any] struct {
	mu    sync.Mutex
	tasks map[types.NamespacedName]*task[R]
	all   sync.WaitGroup
	base  context.Context
	stop  context.CancelCauseFunc
	// ended is told of every task that is over.
	ended func(types.NamespacedName)
}

func newPool[R any](ended func(types.NamespacedName)) *pool[R] {
	p := &pool[R]{tasks: map[types.NamespacedName]*task[R]{}, ended: ended}
	p.base, p.stop = context.WithCancelCause(context.Background())
	return p
}

// get returns the task of a run, and starts it where there is none. A task of
// an earlier run of the same name is cancelled; nil says that it is not over yet.
func (p *pool[R]) get(name types.NamespacedName, uid types.UID, start func(ctx context.Context, j *journal) (func(R), error)) *task[R] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tasks[name]; t != nil {
		if t.uid == uid {
			return t
		}
		t.cancel(errCancelled)
		return nil
	}
	t := &task[R]{uid: uid, done: make(chan struct{})}
	var ctx context.Context
	ctx, t.cancel = context.WithCancelCause(p.base)
	p.tasks[name] = t
	p.all.Go(func() {
		t.finish, t.err = start(ctx, &t.journal)
		t.cause = context.Cause(ctx)
		close(t.done)
		p.ended(name)
	})
	return t
}

// drop cancels the task of a run that is no more, or forgets it when it is over.
func (p *pool[R]) drop(name types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tasks[name]
	if t == nil {
		return
	}
	t.cancel(errCancelled)
	select {
	case <-t.done:
		delete(p.tasks, name)
	default:
	}
}

// Start ends all tasks when ctx ends, and waits for them. They leave everything
// as it is, for the next controller to go on with.
func (p *pool[R]) Start(ctx context.Context) error {
	<-ctx.Done()
	p.stop(errShutdown)
	p.all.Wait()
	return nil
}
