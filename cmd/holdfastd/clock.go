//go:build !leap

package main

import (
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
)

// setClock sets what the service goes by.
func setClock(o *service.Options) error {
	o.Clock = clock.System{}
	return nil
}
