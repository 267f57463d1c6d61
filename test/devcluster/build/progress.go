package build

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Progress tells people what is going on: on a terminal one line that counts
// seconds, elsewhere one line at the start, one every half minute, one at the end.
type Progress struct {
	out      io.Writer
	terminal bool
	mu       sync.Mutex
}

// NewProgress reports to f.
func NewProgress(f *os.File) *Progress {
	info, err := f.Stat()
	return &Progress{out: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Step announces work; call the returned func with its outcome when it ended.
func (p *Progress) Step(what string) func(error) {
	start := time.Now()
	period := 30 * time.Second
	if p.terminal {
		period = time.Second
	} else {
		p.printf("%s...\n", what)
	}
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { p.tick(what, start, period, done) })
	return func(err error) {
		close(done)
		ticking.Wait()
		result := "done"
		if err != nil {
			result = "failed"
		}
		p.line(fmt.Sprintf("%s: %s in %s", what, result, time.Since(start).Round(100*time.Millisecond)), "\n")
	}
}

func (p *Progress) tick(what string, start time.Time, period time.Duration, done <-chan struct{}) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			end := "\n"
			if p.terminal {
				end = ""
			}
			p.line(fmt.Sprintf("%s... %s", what, time.Since(start).Round(time.Second)), end)
		}
	}
}

func (p *Progress) line(text, end string) {
	if p.terminal {
		text = "\r\x1b[K" + text
	}
	p.printf("%s%s", text, end)
}

func (p *Progress) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format, args...)
}
