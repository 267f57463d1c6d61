package gate

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// Bytes that dribble in, each in time, do not hold a connection for ever; a
// caller at the least rate that is asked for may take as long as it needs.
func TestPatience(t *testing.T) {
	for name, c := range map[string]struct {
		bytes int
		every time.Duration
		lasts time.Duration // at least; 0 means for ever
		most  time.Duration
	}{
		"one byte each 20 s":     {1, 20 * time.Second, time.Minute, 90 * time.Second},
		"just above the least":   {64 << 10, 900 * time.Millisecond, 0, 0},
		"half of the least":      {32 << 10, time.Second, 100 * time.Second, 3 * time.Minute},
		"nothing is waited for":  {1, 0, 0, 0},
		"long and then a lot":    {8 << 20, 25 * time.Second, 0, 0},
		"in pieces of one a sec": {1, time.Second, time.Minute, 70 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := patience{idle: 30 * time.Second, set: func(time.Time) error { return nil }}
			begin := wall.Now()
			for range 1000 {
				_, err := w.wait(func() (int, error) { time.Sleep(c.every); return c.bytes, nil })
				if err == nil {
					continue
				}
				if spent := wall.Now().Sub(begin); !errors.Is(err, os.ErrDeadlineExceeded) || c.lasts == 0 || spent < c.lasts || spent > c.most {
					t.Errorf("%s: after %v: %v", name, spent, err)
				}
				return
			}
			if c.lasts != 0 {
				t.Errorf("%s: was never given up", name)
			}
		})
	}
}
