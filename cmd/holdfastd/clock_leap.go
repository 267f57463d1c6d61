//go:build leap

package main

import (
	"fmt"
	"os"
	"time"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
)

// A service that is built with this file lives ahead of the machine, so that
// scenarios see years of a policy in minutes. No release is: who sets the clock
// decides when backups end.

// aheadVariable says how far ahead, as a duration of Go.
const aheadVariable = "HOLDFAST_CLOCK_AHEAD"

// ahead is the machine's clock, and so much more.
type ahead time.Duration

// Now returns the time that is lived in.
func (a ahead) Now() time.Time { return clock.System{}.Now().Add(time.Duration(a)) }

// setClock sets what the service goes by. Clusters and users stay where they are,
// and with them sign-in; nobody waits for the next look at the schedule.
func setClock(o *service.Options) error {
	by := time.Duration(0)
	if text := os.Getenv(aheadVariable); text != "" {
		var err error
		if by, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%s: %w", aheadVariable, err)
		}
	}
	o.Clock, o.SignIn, o.Schedule.Look = ahead(by), clock.System{}, time.Second
	return nil
}
