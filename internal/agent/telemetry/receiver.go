package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/receiver"
)

// typeOTLPHTTP is the name of the receiver and of the exporter.
var typeOTLPHTTP = component.MustNewType("otlphttp")

const (
	pathMetrics = "/v1/metrics"
	pathLogs    = "/v1/logs"
	protobuf    = "application/x-protobuf"
	// maxRequest bounds one request, in bytes.
	maxRequest = 8 << 20
)

type receiverConfig struct {
	Listen string `mapstructure:"listen"`
}

// newReceiverFactory makes one server for the pipelines of one collector.
func newReceiverFactory() receiver.Factory {
	s := &server{}
	return receiver.NewFactory(typeOTLPHTTP, func() component.Config { return &receiverConfig{} },
		receiver.WithMetrics(func(_ context.Context, _ receiver.Settings, c component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			s.listen, s.metrics = c.(*receiverConfig).Listen, next
			return s, nil
		}, component.StabilityLevelStable),
		receiver.WithLogs(func(_ context.Context, _ receiver.Settings, c component.Config, next consumer.Logs) (receiver.Logs, error) {
			s.listen, s.logs = c.(*receiverConfig).Listen, next
			return s, nil
		}, component.StabilityLevelStable))
}

// server receives both signals on one address. The collector starts and stops
// it once per signal.
type server struct {
	listen  string
	metrics consumer.Metrics
	logs    consumer.Logs

	start, stop sync.Once
	http        *http.Server
}

// Start listens; the first call counts.
func (s *server) Start(ctx context.Context, _ component.Host) error {
	var err error
	s.start.Do(func() { err = s.serve(ctx) })
	return err
}

func (s *server) serve(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return fmt.Errorf("listen for telemetry: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathMetrics, receive(s.takeMetrics))
	mux.HandleFunc("POST "+pathLogs, receive(s.takeLogs))
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(listener) }() // ends with Shutdown
	return nil
}

// Shutdown finishes requests under way; the first call counts.
func (s *server) Shutdown(ctx context.Context) error {
	var err error
	s.stop.Do(func() {
		if s.http != nil {
			err = s.http.Shutdown(ctx)
		}
	})
	return err
}

func (s *server) takeMetrics(ctx context.Context, body []byte) ([]byte, error) {
	request := pmetricotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return nil, errors.Join(errNotUnderstood, err)
	}
	if err := s.metrics.ConsumeMetrics(ctx, request.Metrics()); err != nil {
		return nil, err
	}
	return pmetricotlp.NewExportResponse().MarshalProto()
}

func (s *server) takeLogs(ctx context.Context, body []byte) ([]byte, error) {
	request := plogotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return nil, errors.Join(errNotUnderstood, err)
	}
	if err := s.logs.ConsumeLogs(ctx, request.Logs()); err != nil {
		return nil, err
	}
	return plogotlp.NewExportResponse().MarshalProto()
}

var errNotUnderstood = errors.New("not an OTLP request in protobuf")

// receive answers as the protocol asks: 503 means try again, 400 do not.
func receive(take func(context.Context, []byte) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		answer, err := take(r.Context(), body)
		switch {
		case err == nil:
			w.Header().Set("Content-Type", protobuf)
			_, _ = w.Write(answer)
		case errors.Is(err, errNotUnderstood) || consumererror.IsPermanent(err):
			http.Error(w, err.Error(), http.StatusBadRequest)
		default: // such as the memory limit
			w.Header().Set("Retry-After", "5")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
}
