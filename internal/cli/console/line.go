package console

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// Line is one line on the error stream that is written over as work goes on.
// Where the stream is no terminal it prints a line for each stage.
type Line struct {
	c    *Console
	tty  bool
	last string
}

// NewLine starts a line.
func (c *Console) NewLine() *Line {
	f, ok := c.Err.(*os.File)
	return &Line{c: c, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// Show replaces the text of the line. Short words of an operation are shown on
// a terminal only, so that scripts stay quiet.
func (l *Line) Show(format string, args ...any) {
	if !l.tty {
		return
	}
	text := fmt.Sprintf(format, args...)
	if text == l.last {
		return
	}
	l.last = text
	fmt.Fprintf(l.c.Err, "\r\x1b[K%s", text)
}

// Log replaces the text on a terminal. Elsewhere it prints a line of its own, but only
// when the stage is another than before: a log wants no figures that change with
// every look.
func (l *Line) Log(stage, text string) {
	if l.tty {
		l.Show("%s", text)
		return
	}
	if stage != l.last {
		l.last = stage
		fmt.Fprintln(l.c.Err, text)
	}
}

// Done ends the line.
func (l *Line) Done() {
	if l.tty && l.last != "" {
		fmt.Fprint(l.c.Err, "\r\x1b[K")
	}
	l.last = ""
}

// Bar draws a progress bar of the given width for a share between 0 and 1.
func Bar(share float64, width int) string {
	share = min(max(share, 0), 1)
	n := int(share * float64(width))
	return "[" + strings.Repeat("=", n) + strings.Repeat(" ", width-n) + "]"
}

// Bytes writes a size for people.
func Bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
