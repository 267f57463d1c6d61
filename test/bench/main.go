// Command bench measures the parts that move data, each against what this very
// machine does with the same bytes and nothing around them. See 'make bench'
// and docs/performance.md.
//
//	bench ── makes seeded data, and serves the objects as an API server does
//	  ├── for each part, three rounds: a process for the work, one for its limit
//	  ├── for each database: a service with a full catalog, and what it is asked
//	  ├── for each database: the schedule over thousands of instances
//	  ├── for each database: looks at what has expired
//	  └── for each case of volumes: processes of ours, and of restic and borg
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
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"syscall"

	"holdfast.dev/holdfast/internal/repo"
)

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "where to make a folder for the data; the system's temporary folder when empty")
	flag.StringVar(&o.cases, "case", ".", "do the cases whose names match this regular expression")
	flag.Float64Var(&o.scale, "scale", 1, "share of the full size of volumes and catalogs")
	flag.Uint64Var(&o.seed, "seed", seed, "of the volumes' data")
	flag.Int64Var(&o.block, "block", repo.VolumeBlockSize, "size of volume blocks in bytes")
	flag.StringVar(&o.profile, "profile", "", "for volumes, the API and retention: an existing folder for CPU profiles; in a task: the file")
	flag.BoolVar(&o.cold, "cold", false, "measure volumes with nothing in the system's cache: much of the time is the disk's then")
	one := flag.String("one", "", "for the program itself: do this one measurement; the place is read from standard input")
	isTask := flag.Bool("task", false, "for the program itself: do the task that is read from standard input")
	isAPI := flag.Bool("api", false, "for the program itself: measure the API of a service; its place is read from standard input")
	isSchedule := flag.Bool("schedule", false, "for the program itself: measure the schedule; its place is read from standard input")
	isRetention := flag.Bool("retention", false, "for the program itself: measure the looks at retention; its place is read from standard input")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := func() error { return o.all(ctx) }
	switch {
	case *one != "":
		do = func() error { return child(ctx, *one) }
	case *isAPI:
		do = func() error { return o.apiChild(ctx) }
	case *isSchedule:
		do = func() error { return scheduleChild(ctx) }
	case *isRetention:
		do = func() error { return o.retentionChild(ctx) }
	case *isTask:
		do = func() error { return profiled(o.profile, func() error { return doTask(ctx) }) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// profiled does something, and writes a CPU profile of it.
func profiled(name string, do func() error) error {
	if name == "" {
		return do()
	}
	file, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		return err
	}
	err = do()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// profiledCase is profiled, into the folder for profiles.
func (o options) profiledCase(name string, do func() error) error {
	if o.profile != "" {
		name = filepath.Join(o.profile, name)
	} else {
		name = ""
	}
	return profiled(name, do)
}

type options struct {
	dir, cases, profile string
	scale               float64
	seed                uint64
	block               int64
	cold                bool
}

// all does every case that is asked for, in order: some read what an earlier
// one wrote.
func (o options) all(ctx context.Context) (err error) {
	match, err := regexp.Compile(o.cases)
	if err != nil {
		return fmt.Errorf("cases: %w", err)
	}
	dir, err := os.MkdirTemp(o.dir, "holdfast-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := o.parts(ctx, dir, match); err != nil {
		return err
	}
	if err := o.api(ctx, dir, match); err != nil {
		return err
	}
	if err := o.schedule(ctx, dir, match); err != nil {
		return err
	}
	if err := o.retention(ctx, dir, match); err != nil {
		return err
	}
	return o.volumes(ctx, dir, match)
}

// parts measures the parts against the limits of the machine.
func (o options) parts(ctx context.Context, dir string, match *regexp.Regexp) error {
	chosen := slices.DeleteFunc(slices.Clone(cases), func(c benchmark) bool { return !match.MatchString(c.name) })
	if len(chosen) == 0 {
		return nil
	}
	p := fullSize
	p.Dir = dir
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
	for _, c := range chosen {
		line, err := c.measure(ctx, p, inProcess)
		if err != nil {
			return err
		}
		fmt.Println(line)
	}
	return nil
}

// volumes compares with other tools.
func (o options) volumes(ctx context.Context, dir string, match *regexp.Regexp) (err error) {
	c := &comparison{dir: dir, size: int64(o.scale*4096) << 20, small: int(o.scale * 500_000), blocks: int(o.scale * 2_000_000),
		block: o.block, cold: o.cold, rounds: rounds,
		seed: o.seed, profile: o.profile, done: map[string]outcome{}}
	for _, one := range []struct {
		name   string
		do     func(context.Context) error
		volume bool // needs the large one
	}{{"volume-full", c.volumeFull, true}, {"volume-borg", c.volumeBorg, true}, {"volume-same", c.volumeSame, true},
		{"volume-restore", c.volumeRestore, true}, {"volume-next", c.volumeNext, true}, {"small-full", c.smallFiles, false},
		{"gc", c.garbage, false}} {
		if !match.MatchString(one.name) {
			continue
		}
		err := install(ctx)
		if err == nil && one.volume {
			err = c.prepare(ctx)
		}
		if err == nil {
			err = one.do(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return nil
}

// inProcess does one measurement in a process of its own.
func inProcess(ctx context.Context, name string, p place) (figure, error) {
	output, err := apart(ctx, p, "-one", name)
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
	if f.RSS, err = peakMemory("self"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}
