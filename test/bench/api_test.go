package main

import (
	"context"
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/test/postgres"
)

// The requests that are measured are answered, on a small catalog.
func TestAPI(t *testing.T) {
	server, err := postgres.Start(t.Context(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	database, err := server.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{"sqlite": "", "postgres": database} {
		t.Run(name, func(t *testing.T) {
			p := apiPlace{Dir: filepath.Join(t.TempDir(), "data"), Database: url, Instances: 3}
			if err := p.fill(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			api, ended, err := p.serve(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range apiCases {
				if took, err := p.ask(ctx, api, c.path); err != nil || took <= 0 {
					t.Errorf("%s: %v ms, %v", c.name, took, err)
				}
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
