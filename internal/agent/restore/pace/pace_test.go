package pace

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// grudging answers 429 whenever more than limit requests are under way.
func grudging(t *testing.T, limit int64) *httptest.Server {
	var running atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer running.Add(-1)
		if running.Add(1) > limit {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		time.Sleep(time.Millisecond)
	}))
	t.Cleanup(server.Close)
	return server
}

func run(t *testing.T, server *httptest.Server, p *Pace, requests int) {
	client := &http.Client{Transport: p.Wrap(http.DefaultTransport)}
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			response, err := client.Get(server.URL)
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
	p := New()
	run(t, grudging(t, 1000), p, 500)
	if p.Window() <= First {
		t.Fatalf("window is %d after 500 good answers, want more than %d", p.Window(), First)
	}
}

func TestShrinksWhenPushedBackButNeverStops(t *testing.T) {
	p := New()
	run(t, grudging(t, 3), p, 500)
	if w := p.Window(); w < Least || w > 16 {
		t.Fatalf("window is %d at a server that takes 3", w)
	}
	if p.running != 0 || len(p.waiting) != 0 {
		t.Fatalf("%d running, %d waiting after the end", p.running, len(p.waiting))
	}
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
