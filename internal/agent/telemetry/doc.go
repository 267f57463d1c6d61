// Package telemetry is an OpenTelemetry Collector for the programs of one
// cluster: they send metrics and logs to it (OTLP over HTTP), it batches them
// and sends them on, or writes a summary to its log when it has nowhere to send.
//
//	programs --OTLP/HTTP--> receiver -> memory limit -> batch -> exporter --OTLP/HTTP-->
//
// Receiver and exporter are small ones of our own on the collector's public
// interfaces: all we need is protobuf over HTTP inside one namespace.
package telemetry
