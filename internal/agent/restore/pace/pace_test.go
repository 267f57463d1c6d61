package pace

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// grudging is a server that answers 429 whenever more than limit requests are
// under way. In a bubble of synctest none of them ends before all have begun that
// the pace lets go.
type grudging struct {
	limit   int64
	running atomic.Int64
}

func (g *grudging) RoundTrip(*http.Request) (*http.Response, error) {
	defer g.running.Add(-1)
	answer := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	if g.running.Add(1) > g.limit {
		answer.StatusCode = http.StatusTooManyRequests
		return answer, nil
	}
	time.Sleep(time.Millisecond)
	return answer, nil
}

func run(t *testing.T, server *grudging, p *Pace, requests int) {
	client := &http.Client{Transport: p.Wrap(server)}
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			response, err := client.Get("http://server")
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
		})
	}
	wg.Wait()
}

func TestGrowsWhileTheServerIsWilling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		run(t, &grudging{limit: 1000}, p, 500)
		if p.Window() <= First {
			t.Fatalf("window is %d after 500 good answers, want more than %d", p.Window(), First)
		}
	})
}

func TestShrinksWhenPushedBackButNeverStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		run(t, &grudging{limit: 3}, p, 500)
		if w := p.Window(); w < Least || w > 16 {
			t.Fatalf("window is %d at a server that takes 3", w)
		}
		if p.running != 0 || len(p.waiting) != 0 {
			t.Fatalf("%d running, %d waiting after the end", p.running, len(p.waiting))
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	p := New()
	for range First {
		if err := p.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := p.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("enter: %v, want the deadline", err)
	}
	for range First {
		p.leave(true)
	}
	if p.running != 0 {
		t.Fatalf("%d running after all left", p.running)
	}
}
