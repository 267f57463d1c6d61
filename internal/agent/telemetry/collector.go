package telemetry

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.uber.org/zap"
)

// Options says where to listen and where to send to.
type Options struct {
	Listen string // host:port for OTLP over HTTP
	// Endpoint is http(s)://host:port[/path] of an OTLP/HTTP receiver, to which
	// /v1/metrics and /v1/logs are appended; empty writes a summary to the log.
	Endpoint string
	Version  string
}

// Run collects until ctx ends, then sends what is under way.
func Run(ctx context.Context, options Options) error {
	collector, err := otelcol.NewCollector(otelcol.CollectorSettings{
		Factories:               factories,
		BuildInfo:               component.BuildInfo{Command: "holdfast-telemetry", Version: options.Version},
		DisableGracefulShutdown: true, // ctx says when to end
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs:              []string{"yaml:" + configuration(options)},
			ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory()},
		}},
	})
	if err != nil {
		return fmt.Errorf("prepare the collector: %w", err)
	}
	if err := collector.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("run the collector: %w", err)
	}
	return nil
}

// configuration is the collector's configuration as YAML.
func configuration(options Options) string {
	exporters := `{debug: {verbosity: basic}}`
	name := "debug"
	if options.Endpoint != "" {
		exporters, name = fmt.Sprintf(`{otlphttp: {endpoint: %q}}`, options.Endpoint), "otlphttp"
	}
	pipeline := fmt.Sprintf(`{receivers: [otlphttp], processors: [memory_limiter, batch], exporters: [%s]}`, name)
	return fmt.Sprintf(`
receivers: {otlphttp: {listen: %q}}
processors:
  memory_limiter: {check_interval: 1s, limit_percentage: 75, spike_limit_percentage: 20}
  batch: {timeout: 1s, send_batch_size: 4096}
exporters: %s
service: {pipelines: {metrics: %s, logs: %s}}
`, options.Listen, exporters, pipeline, pipeline)
}

func factories() (otelcol.Factories, error) {
	var all otelcol.Factories
	var errs [3]error
	all.Receivers, errs[0] = otelcol.MakeFactoryMap[receiver.Factory](newReceiverFactory())
	all.Processors, errs[1] = otelcol.MakeFactoryMap[processor.Factory](batchprocessor.NewFactory(), memorylimiterprocessor.NewFactory())
	all.Exporters, errs[2] = otelcol.MakeFactoryMap[exporter.Factory](debugexporter.NewFactory(), newExporterFactory())
	all.Telemetry = telemetry.NewFactory(func() component.Config { return &struct{}{} }, telemetry.WithCreateLogger(ownLogger))
	return all, errors.Join(errs[:]...)
}

// ownLogger is the collector's own log: JSON on standard error.
func ownLogger(context.Context, telemetry.LoggerSettings, component.Config) (*zap.Logger, component.ShutdownFunc, error) {
	logger, err := zap.NewProductionConfig().Build()
	return logger, nil, err
}
