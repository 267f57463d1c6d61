package clock_test

import (
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/clock"
)

func TestElapsed(t *testing.T) {
	manual := clock.NewManual(time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC))
	passed := clock.Elapsed(manual)
	manual.Advance(3 * time.Hour)
	if got := passed(); got != 3*time.Hour {
		t.Errorf("%v have passed, want 3h", got)
	}
	passed = clock.Elapsed(clock.System{})
	before := passed()
	time.Sleep(time.Millisecond)
	if after := passed(); before < 0 || after <= before {
		t.Errorf("%v, then %v have passed", before, after)
	}
}
