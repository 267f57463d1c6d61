// Package pace finds out how many requests an API server takes at the same
// time: it adds one when all goes well and halves when the server pushes back.
// It takes the place of a client's fixed rate limit, which is either too slow
// for a big cluster or too fast for a small one.
package pace

import (
	"context"
	"net/http"
	"sync"
)

// Limits of the number of requests under way.
const (
	First = 8
	Least = 2
	Most  = 64
)

// Pace is a window of requests under way. It is safe for concurrent use.
type Pace struct {
	mu      sync.Mutex
	window  float64
	running int
	waiting []chan struct{}
}

// New returns a pace that starts at First.
func New() *Pace { return &Pace{window: First} }

// Wrap returns a transport that keeps the pace.
func (p *Pace) Wrap(next http.RoundTripper) http.RoundTripper {
	return transport{pace: p, next: next}
}

// Window returns how many requests may be under way now.
func (p *Pace) Window() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.window)
}

type transport struct {
	pace *Pace
	next http.RoundTripper
}

// RoundTrip waits for its turn, which ends when the answer's head is there.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := t.pace.enter(request.Context()); err != nil {
		return nil, err
	}
	response, err := t.next.RoundTrip(request)
	t.pace.leave(err == nil && !pushedBack(response.StatusCode))
	return response, err
}

func pushedBack(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

func (p *Pace) enter(ctx context.Context) error {
	p.mu.Lock()
	if p.running < int(p.window) {
		p.running++
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		p.giveUp(turn)
		return ctx.Err()
	}
}

// giveUp leaves the queue, or passes on a turn that came at the same moment.
func (p *Pace) giveUp(turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.waiting {
		if other == turn {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return
		}
	}
	p.running--
	p.admit()
}

// leave grows the window by one for every window of good answers, and halves
// it on a bad one.
func (p *Pace) leave(good bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if good {
		p.window = min(Most, p.window+1/p.window)
	} else {
		p.window = max(Least, p.window/2)
	}
	p.running--
	p.admit()
}

func (p *Pace) admit() {
	for len(p.waiting) > 0 && p.running < int(p.window) {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
		p.running++
	}
}
