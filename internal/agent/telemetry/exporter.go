package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// sendTimeout bounds one request to the endpoint.
const sendTimeout = 30 * time.Second

type exporterConfig struct {
	Endpoint string `mapstructure:"endpoint"`
}

// Validate refuses an endpoint that is no HTTP address.
func (c *exporterConfig) Validate() error {
	parsed, err := url.Parse(c.Endpoint)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return errors.New("the telemetry endpoint is not http(s)://host:port")
	}
	return nil
}

// newExporterFactory makes exporters that queue in memory and try again.
func newExporterFactory() exporter.Factory {
	return exporter.NewFactory(typeOTLPHTTP, func() component.Config { return &exporterConfig{} },
		exporter.WithMetrics(func(ctx context.Context, set exporter.Settings, c component.Config) (exporter.Metrics, error) {
			return exporterhelper.NewMetrics(ctx, set, c, sender(c).metrics, helperOptions()...)
		}, component.StabilityLevelStable),
		exporter.WithLogs(func(ctx context.Context, set exporter.Settings, c component.Config) (exporter.Logs, error) {
			return exporterhelper.NewLogs(ctx, set, c, sender(c).logs, helperOptions()...)
		}, component.StabilityLevelStable))
}

func helperOptions() []exporterhelper.Option {
	return []exporterhelper.Option{
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: sendTimeout}),
		exporterhelper.WithRetry(configretry.NewDefaultBackOffConfig()),
		exporterhelper.WithQueue(configoptional.Some(exporterhelper.NewDefaultQueueConfig())),
	}
}

// endpoint is where batches are sent to.
type endpoint struct {
	base   string
	client *http.Client
}

func sender(c component.Config) endpoint {
	return endpoint{strings.TrimRight(c.(*exporterConfig).Endpoint, "/"), &http.Client{Timeout: sendTimeout}}
}

func (e endpoint) metrics(ctx context.Context, batch pmetric.Metrics) error {
	body, err := pmetricotlp.NewExportRequestFromMetrics(batch).MarshalProto()
	if err != nil {
		return consumererror.NewPermanent(err)
	}
	return e.post(ctx, pathMetrics, body)
}

func (e endpoint) logs(ctx context.Context, batch plog.Logs) error {
	body, err := plogotlp.NewExportRequestFromLogs(batch).MarshalProto()
	if err != nil {
		return consumererror.NewPermanent(err)
	}
	return e.post(ctx, pathLogs, body)
}

// post sends one batch. An answer that says the batch is wrong is permanent;
// everything else is tried again.
func (e endpoint) post(ctx context.Context, path string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.base+path, bytes.NewReader(body))
	if err != nil {
		return consumererror.NewPermanent(err)
	}
	request.Header.Set("Content-Type", protobuf)
	response, err := e.client.Do(request)
	if err != nil {
		return fmt.Errorf("send telemetry: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxRequest)) // so that the connection is used again
	switch code := response.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusTooManyRequests || code/100 == 5:
		return fmt.Errorf("send telemetry: answered %s", response.Status)
	default:
		return consumererror.NewPermanent(fmt.Errorf("send telemetry: answered %s", response.Status))
	}
}
