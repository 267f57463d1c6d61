package gate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"holdfast.dev/holdfast/internal/clock"
)

const (
	// lifeTime is how long an answer about an operation is believed.
	lifeTime = 5 * time.Second
	// mostLives is how many answers are kept before old ones are swept.
	mostLives = 10_000
)

// lives remembers for a moment which operations are alive.
type lives struct {
	operations Operations
	clock      clock.Clock

	mu   sync.Mutex
	seen map[string]life
}

type life struct {
	alive bool
	at    time.Time
}

func newLives(operations Operations, clk clock.Clock) *lives {
	return &lives{operations: operations, clock: clk, seen: map[string]life{}}
}

func (l *lives) alive(ctx context.Context, id string) (bool, error) {
	now := l.clock.Now()
	l.mu.Lock()
	known, ok := l.seen[id]
	l.mu.Unlock()
	if ok && now.Sub(known.at) < lifeTime {
		return known.alive, nil
	}
	alive, err := l.operations.Alive(ctx, id)
	if err != nil {
		return false, fmt.Errorf("is operation %s alive: %w", id, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) >= mostLives {
		l.sweep(now)
	}
	l.seen[id] = life{alive, now}
	return alive, nil
}

// sweep forgets old answers, or all when callers come faster than they age.
func (l *lives) sweep(now time.Time) {
	for id, known := range l.seen {
		if now.Sub(known.at) >= lifeTime {
			delete(l.seen, id)
		}
	}
	if len(l.seen) >= mostLives {
		clear(l.seen)
	}
}
