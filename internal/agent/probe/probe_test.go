package probe

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAnswers(t *testing.T) {
	p := &Probe{}
	ask := func(path string) int {
		recorder := httptest.NewRecorder()
		p.handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		return recorder.Code
	}
	if got := ask("/healthz"); got != http.StatusOK {
		t.Errorf("healthz %d", got)
	}
	if got := ask("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("readyz %d before it is ready", got)
	}
	p.Ready()
	if got := ask("/readyz"); got != http.StatusOK {
		t.Errorf("readyz %d when it is ready", got)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Probe{}).Serve(ctx, "127.0.0.1:0") }()
	cancel()
	if err := <-done; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	if err := (&Probe{}).Serve(t.Context(), "not an address"); err == nil {
		t.Error("served on no address")
	}
}
