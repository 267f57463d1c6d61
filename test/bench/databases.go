package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"holdfast.dev/holdfast/test/postgres"
)

// onDatabase makes a folder for a case and starts its database. The URL is empty for
// SQLite.
func onDatabase(ctx context.Context, dir, database string) (url string, stop func(), err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, err
	}
	if database != "postgres" {
		return "", func() {}, nil
	}
	server, err := postgres.Start(ctx, postgres.Options{Durable: true})
	if err != nil {
		return "", nil, err
	}
	stop = func() { _ = server.Stop() } // its folder is the system's to clean up
	if url, err = server.Database(ctx); err != nil {
		stop()
		return "", nil, err
	}
	return url, stop, nil
}

// filledOn is onDatabase with a service's catalog of that many instances in it, or of
// the share of them that is asked for.
func (o options) filledOn(ctx context.Context, dir, database string, instances int) (p apiPlace, stop func(), err error) {
	p = apiPlace{Dir: dir, Instances: max(1, int(o.scale*float64(instances)))}
	if p.Database, stop, err = onDatabase(ctx, dir, database); err != nil {
		return p, nil, err
	}
	if err := p.fill(ctx); err != nil {
		stop()
		return p, nil, fmt.Errorf("fill the catalog: %w", err)
	}
	return p, stop, nil
}

// inRounds does work and what limits it in turn, and returns the medians of what the
// work took and of the limit's share of that.
func inRounds(work, limit func() (float64, error)) (took, ratio float64, err error) {
	var values, ratios []float64
	for range rounds {
		value, err := work()
		if err != nil {
			return 0, 0, err
		}
		least, err := limit()
		if err != nil {
			return 0, 0, err
		}
		values, ratios = append(values, value), append(ratios, least/value)
	}
	return median(values), median(ratios), nil
}

// apart measures a place in a process of its own, so that nothing else is in its
// memory, and returns what that prints.
func apart(ctx context.Context, place any, flags ...string) ([]byte, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	input, err := json.Marshal(place)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, flags...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	return cmd.Output()
}
