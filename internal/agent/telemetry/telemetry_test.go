package telemetry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"holdfast.dev/holdfast/internal/agent/telemetry"
)

// run starts a collector and returns its address.
func run(t *testing.T, endpoint string) string {
	t.Helper()
	// An address that nobody else uses: so nobody takes the port meanwhile.
	free, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- telemetry.Run(ctx, telemetry.Options{Listen: address, Endpoint: endpoint, Version: "test"})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatal("the collector does not listen")
		}
	}
}

func post(t *testing.T, url string, body []byte) int {
	t.Helper()
	response, err := http.Post(url, "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func metric(t *testing.T, name string) []byte {
	t.Helper()
	metrics := pmetric.NewMetrics()
	one := metrics.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	one.SetName(name)
	one.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(7)
	body, err := pmetricotlp.NewExportRequestFromMetrics(metrics).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func line(t *testing.T, text string) []byte {
	t.Helper()
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(text)
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestSendsOnThroughFaults sends a metric and a log line to an endpoint that is
// busy at first.
func TestSendsOnThroughFaults(t *testing.T) {
	var refused atomic.Int32
	got := make(chan string, 8)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if refused.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got <- fmt.Sprint(r.URL.Path, bytes.Contains(body, []byte("backup_seconds")), bytes.Contains(body, []byte("frozen for 3 s")))
	}))
	defer endpoint.Close()
	address := run(t, endpoint.URL)
	if code := post(t, address+"/v1/metrics", metric(t, "backup_seconds")); code != http.StatusOK {
		t.Errorf("metrics answered %d", code)
	}
	if code := post(t, address+"/v1/logs", line(t, "frozen for 3 s")); code != http.StatusOK {
		t.Errorf("logs answered %d", code)
	}
	want := map[string]bool{"/v1/metricstrue false": true, "/v1/logsfalse true": true}
	for range 2 {
		select {
		case one := <-got:
			if !want[one] {
				t.Errorf("received %q", one)
			}
			delete(want, one)
		case <-time.After(30 * time.Second):
			t.Fatalf("not received: %v", want)
		}
	}
}

func TestRefusesWhatItDoesNotUnderstand(t *testing.T) {
	address := run(t, "")
	for _, path := range []string{"/v1/metrics", "/v1/logs"} {
		if code := post(t, address+path, []byte("this is no protobuf")); code != http.StatusBadRequest {
			t.Errorf("%s answered %d", path, code)
		}
	}
	if code := post(t, address+"/v1/logs", bytes.Repeat([]byte("x"), 9<<20)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("9 MiB answered %d", code)
	}
	if code := post(t, address+"/v1/traces", nil); code != http.StatusNotFound {
		t.Errorf("traces answered %d", code)
	}
}

func TestBadEndpoint(t *testing.T) {
	err := telemetry.Run(t.Context(), telemetry.Options{Listen: "127.0.0.1:0", Endpoint: "collector:4318"})
	if err == nil {
		t.Error("runs with an endpoint that is no address")
	}
}
