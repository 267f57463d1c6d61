// Command bench measures the parts that move data, each against what this very
// machine does with the same bytes and nothing around them. See 'make bench'
// and docs/performance.md.
//
//	bench ── makes seeded data, and serves the objects as an API server does
//	  └── for each case, three rounds: a process for the work, one for its limit
//
// A process does one measurement, so that its peak memory is that of the work.
// Each case prints one line:
//
//	bench NAME VALUE UNIT ratio=R peer=PEER rss=MB
//
// VALUE is the median of the rounds. R is how much of the machine's limit the
// work reaches: 1 is all of it. PEER says what the limit consists of. MB is the
// greatest VmHWM of the work's processes, in 10^6 bytes.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
)

func main() {
	dir := flag.String("dir", "", "where to make a folder for the data; the system's temporary folder when empty")
	one := flag.String("one", "", "for the program itself: do this one measurement; the place is read from standard input")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	do := func() error { return all(ctx, *dir) }
	if *one != "" {
		do = func() error { return child(ctx, *one) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// all measures every case in order: some read what an earlier one wrote.
func all(ctx context.Context, dir string) (err error) {
	p := fullSize
	if p.Dir, err = os.MkdirTemp(dir, "holdfast-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.Dir)) }()
	if err := p.prepare(); err != nil {
		return err
	}
	s, err := newServer(p)
	if err != nil {
		return err
	}
	server := httptest.NewServer(s)
	defer server.Close()
	p.Server = server.URL
	for _, c := range cases {
		line, err := c.measure(ctx, p, inProcess)
		if err != nil {
			return err
		}
		fmt.Println(line)
	}
	return nil
}

// inProcess does one measurement in a process of its own.
func inProcess(ctx context.Context, name string, p place) (figure, error) {
	program, err := os.Executable()
	if err != nil {
		return figure{}, err
	}
	input, err := json.Marshal(p)
	if err != nil {
		return figure{}, err
	}
	cmd := exec.CommandContext(ctx, program, "-one", name)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return figure{}, fmt.Errorf("%s: %w", name, err)
	}
	var f figure
	return f, json.Unmarshal(output, &f)
}

// child does one measurement and prints its figure.
func child(ctx context.Context, name string) error {
	var p place
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return fmt.Errorf("read the place: %w", err)
	}
	f, err := here(ctx, name, p)
	if err != nil {
		return err
	}
	if f.RSS, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}
