// Command fleet asks whether the service keeps its promise to many: thousands of
// instances of one vault, all due in the same minute, in clusters whose agents take
// their time. A real holdfastd serves, over its public API and its agent protocol;
// the clusters are simulated. The service is killed on the way. See 'make
// bench-fleet'.
//
//	fleet ── starts PostgreSQL and holdfastd, and kills holdfastd now and then
//	  ├── furnishes vault, policies, clusters and instances by the API
//	  ├── an agent for each cluster: enrolled, claiming, extending, finishing
//	  └── asks for every backup at once, and counts what becomes of them
//
// For each database it prints
//
//	bench fleet started=N late=N twice=N lost=N database=D ...
//
// started are the instances whose backup began, late those that began after the
// window, twice those that began two backups, or one in two agents at a time, and
// lost those without exactly one recovery point and one completed job at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"holdfast.dev/holdfast/test/postgres"
)

// size is how much is asked of the service.
type size struct {
	Clusters int
	Policies int // each cluster has one instance of each policy
	Slots    int // backups that one cluster does at a time
	Work     time.Duration
	Window   time.Duration // in which every backup must begin
	Kills    int
	Patience time.Duration // for the whole run
}

func (s size) instances() int { return s.Clusters * s.Policies }

// fullSize is 5,000 instances that take a minute each, 200 at a time.
var fullSize = size{Clusters: 50, Policies: 100, Slots: 4, Work: time.Minute, Window: 2 * time.Hour, Kills: 5, Patience: 4 * time.Hour}

func main() {
	s := fullSize
	databases := flag.String("database", "sqlite,postgres", "databases to run on")
	flag.IntVar(&s.Clusters, "clusters", s.Clusters, "clusters")
	flag.IntVar(&s.Policies, "policies", s.Policies, "policies; each cluster has an instance of each")
	flag.IntVar(&s.Slots, "slots", s.Slots, "backups that one cluster does at a time")
	flag.DurationVar(&s.Work, "work", s.Work, "how long a backup takes")
	flag.DurationVar(&s.Window, "window", s.Window, "in which every backup must begin")
	flag.IntVar(&s.Kills, "kills", s.Kills, "how often the service is killed on the way")
	scale := flag.Float64("scale", 1, "share of the time that backups take, and of the window")
	dir := flag.String("dir", "", "where to make a folder; the system's temporary folder when empty")
	flag.Parse()
	s.Work, s.Window = time.Duration(float64(s.Work)**scale), time.Duration(float64(s.Window)**scale)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := all(ctx, s, *dir, strings.Split(*databases, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		stop()
		os.Exit(1)
	}
}

// all runs on each database, and prints the lines last.
func all(ctx context.Context, s size, dir string, databases []string) (err error) {
	dir, err = os.MkdirTemp(dir, "holdfast-fleet-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program := filepath.Join(dir, "holdfastd")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "holdfast.dev/holdfast/cmd/holdfastd")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build holdfastd: %w\n%s", err, said)
	}
	var lines []string
	for _, database := range databases {
		o, one := runOn(ctx, s, program, filepath.Join(dir, database), database)
		err = errors.Join(err, one)
		if one == nil {
			lines = append(lines, o.line(database))
			err = errors.Join(err, o.verdict(s))
		}
	}
	for _, line := range lines {
		fmt.Println(line)
	}
	return err
}

// runOn does one run on a database of its own.
func runOn(ctx context.Context, s size, program, dir, database string) (o outcome, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return o, err
	}
	url := ""
	switch database {
	case "sqlite":
	case "postgres":
		server, err := postgres.Start(ctx, postgres.Options{Durable: true})
		if err != nil {
			return o, err
		}
		defer func() { _ = server.Stop() }() // its folder is below the temporary one
		if url, err = server.Database(ctx); err != nil {
			return o, err
		}
	default:
		return o, fmt.Errorf("there is no database %q", database)
	}
	o, err = run(ctx, s, program, dir, url)
	if err != nil {
		err = fmt.Errorf("on %s: %w", database, err)
	}
	return o, err
}
