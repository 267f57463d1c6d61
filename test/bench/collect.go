package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"holdfast.dev/holdfast/internal/agent/collect"
)

var errShort = errors.New("not all objects came")

// nothing is a sink that keeps nothing.
type nothing struct{}

// Put takes an object.
func (nothing) Put(context.Context, string, []byte) error { return nil }

// collectObjects collects all objects from the API server.
func collectObjects(ctx context.Context, p place) (float64, error) {
	client, err := rest.UnversionedRESTClientFor(&rest.Config{Host: p.Server, QPS: -1,
		ContentConfig: rest.ContentConfig{NegotiatedSerializer: scheme.Codecs.WithoutConversion()}})
	if err != nil {
		return 0, err
	}
	all := namespaces(p.Objects)
	start := time.Now()
	summary, err := collect.Collect(ctx, collect.Request{Client: client, Namespaces: all, Existing: len(all), Sink: nothing{}})
	if err == nil && summary.Objects != int64(p.Objects) {
		err = fmt.Errorf("%w: %d of %d, %v", errShort, summary.Objects, p.Objects, summary.Warnings)
	}
	return rate(summary.Objects, start), err
}

// fetchObjects fetches the same pages, one after another, and scans their JSON
// once.
func fetchObjects(ctx context.Context, p place) (float64, error) {
	start := time.Now()
	for _, kind := range kinds {
		path := "/api/v1/" + kind.Name
		if kind.Group != "" {
			path = "/apis/" + kind.Group + "/v1/" + kind.Name
		}
		for from := 0; from < p.Objects/len(kinds); from += 500 {
			if err := fetch(ctx, fmt.Sprintf("%s%s?limit=500&continue=%d", p.Server, path, from)); err != nil {
				return 0, err
			}
		}
	}
	return rate(int64(p.Objects), start), nil
}

func fetch(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !json.Valid(body) {
		err = fmt.Errorf("%s answers no JSON", url)
	}
	return err
}
