package main

import (
	"bytes"
	"context"
	"encoding/json"
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
