// Command fleet asks whether the service keeps its promise to many: thousands of
// instances of one vault, all due in the same minute, in clusters whose agents take
// their time. A real holdfastd serves, over its public API and its agent protocol;
// the clusters are simulated. The service is killed on the way. See 'make
// bench-fleet'.
//
//	fleet ── starts PostgreSQL and holdfastd, and kills holdfastd now and then
//	  ├── furnishes vault, clusters, policies that are due soon and instances by the API
//	  ├── an agent for each cluster: enrolled, claiming, extending, finishing
//	  └── waits for the schedule to start every backup, and counts what becomes of them
//
// For each database it prints
//
//	bench fleet started=N late=N twice=N lost=N database=D ...
//
// started are the instances whose backup began, late those that began more than two
// hours after the time of their policy, twice those that began two backups, or one in
// two agents at a time, and lost those without exactly one recovery point and one
// completed job at the end. last_start is how long after that time the last one began.
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

// promise is how long after its time a backup may begin.
const promise = 2 * time.Hour

// size is how much is asked of the service.
type size struct {
	Clusters int
	Policies int // each cluster has one instance of each policy
	Slots    int // backups that one cluster does at a time
	Work     time.Duration
	Lead     time.Duration // from the first instance to the time of all policies
	Window   time.Duration // of the service, over which it spreads the starts
	Kills    int
	Replicas int           // of the service, on PostgreSQL
	Patience time.Duration // for the whole run
}

func (s size) instances() int { return s.Clusters * s.Policies }

// fullSize is 5,000 instances that take a minute each, 200 at a time: 25 minutes at
// the least. So a window of half an hour asks more of the service than two hours.
var fullSize = size{Clusters: 50, Policies: 100, Slots: 4, Work: time.Minute, Lead: 15 * time.Minute, Window: 30 * time.Minute,
	Kills: 5, Replicas: 1, Patience: 4 * time.Hour}

func main() {
	s := fullSize
	databases := flag.String("database", "sqlite,postgres", "databases to run on")
	flag.IntVar(&s.Clusters, "clusters", s.Clusters, "clusters")
	flag.IntVar(&s.Policies, "policies", s.Policies, "policies; each cluster has an instance of each")
	flag.IntVar(&s.Slots, "slots", s.Slots, "backups that one cluster does at a time")
	flag.DurationVar(&s.Work, "work", s.Work, "how long a backup takes")
	flag.DurationVar(&s.Lead, "lead", s.Lead, "from the first instance to the time of all policies; where that is too short, all is done again with twice as much")
	flag.DurationVar(&s.Window, "window", s.Window, "of the service: over three quarters of it the starts are spread")
	flag.IntVar(&s.Kills, "kills", s.Kills, "how often the service is killed on the way")
	flag.IntVar(&s.Replicas, "replicas", s.Replicas, "of the service on PostgreSQL, killed in turn")
	dir := flag.String("dir", "", "where to make a folder; the system's temporary folder when empty")
	flag.Parse()
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

// runOn does a run, each on a database of its own, until one was furnished in time.
func runOn(ctx context.Context, s size, program, dir, database string) (o outcome, err error) {
	if database == "sqlite" {
		s.Replicas = 1
	}
	for {
		o, err = runOnce(ctx, s, program, dir, database)
		if !errors.Is(err, errTooSlow) {
			return o, err
		}
		s.Lead *= 2
		tell("%v: once more, with %v ahead", err, s.Lead)
		if err := os.RemoveAll(dir); err != nil {
			return o, err
		}
	}
}

func runOnce(ctx context.Context, s size, program, dir, database string) (o outcome, err error) {
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
