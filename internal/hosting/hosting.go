// Package hosting starts the services of a program together and stops them
// together: when one ends, all end.
package hosting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// Service is one thing that runs until its context ends.
type Service struct {
	Name string
	// Run returns nil when the context ended, and an error when it could not go on.
	Run func(ctx context.Context) error
}

// Run runs all services until ctx ends or one of them ends, then stops the
// others, waits for them, and returns what went wrong, nil when nothing did.
func Run(ctx context.Context, log *slog.Logger, services ...Service) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	failures := make([]error, len(services))
	for i, service := range services {
		group.Go(func() {
			defer stop()
			log.Debug("service started", "service", service.Name)
			err := service.Run(ctx)
			if err == nil && ctx.Err() == nil {
				err = errors.New("ended by itself")
			}
			if err != nil {
				failures[i] = fmt.Errorf("%s: %w", service.Name, err)
			}
			log.Debug("service stopped", "service", service.Name, "error", err)
		})
	}
	group.Wait()
	return errors.Join(failures...)
}
