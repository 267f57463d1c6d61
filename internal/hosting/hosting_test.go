package hosting_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/hosting"
)

var quiet = slog.New(slog.DiscardHandler)

func untilDone(name string) hosting.Service {
	return hosting.Service{Name: name, Run: func(ctx context.Context) error { <-ctx.Done(); return nil }}
}

func TestStopsTogether(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := hosting.Run(ctx, quiet, untilDone("a"), untilDone("b")); err != nil {
		t.Fatal(err)
	}
}

func TestOneEndEndsAll(t *testing.T) {
	broken := errors.New("broken")
	for name, service := range map[string]hosting.Service{
		"with an error": {Name: "bad", Run: func(context.Context) error { return broken }},
		"by itself":     {Name: "bad", Run: func(context.Context) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			err := hosting.Run(t.Context(), quiet, untilDone("good"), service)
			if err == nil || !strings.HasPrefix(err.Error(), "bad: ") {
				t.Fatalf("Run = %v, want the name of what ended", err)
			}
		})
	}
}

// A request that waits must not hold up a stop.
func TestLongPollEndsWithTheService(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- hosting.Run(ctx, quiet, hosting.HTTP("api", listener, nil, handler, quiet)) }()
	go func() {
		if resp, err := http.Get("http://" + listener.Addr().String()); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	<-arrived
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the service did not stop")
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	release, err := hosting.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hosting.Lock(path); !errors.Is(err, hosting.ErrInUse) {
		t.Fatalf("second lock: %v, want %v", err, hosting.ErrInUse)
	}
	release()
	again, err := hosting.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
