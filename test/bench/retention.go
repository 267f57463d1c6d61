package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/retention"
	"holdfast.dev/holdfast/internal/workflow"
)

// Retention is measured twice: what it takes to decide about that many recovery points
// of one instance, against what the product promises, and what it takes the service to
// look at as many of a thousand instances in its catalog, against reading them there.
const (
	retentionPromise   = 1 // s, for 100,000
	retentionInstances = 1_000
)

// decideRetention returns how long it takes to decide about all points, and when to
// look again. Each is in both tiers; one in three has expired in one of them.
func decideRetention(_ context.Context, p place) (float64, error) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	points := make([]retention.Point, p.Points)
	for n := range points {
		at := begin.AddDate(0, 0, n%3000)
		points[n] = retention.Point{ID: fmt.Sprintf("%032x", n), Time: at, Copies: []retention.Copy{
			{Tier: backup.TierOperational, Expires: at.AddDate(0, 0, 7)}, {Tier: backup.TierVault, Expires: at.AddDate(0, 0, 2000)}}}
	}
	begun := time.Now()
	verdicts := retention.Apply(points, retention.State{Vaulting: true}, begin.AddDate(0, 0, 2007))
	next := retention.Next(verdicts)
	took := time.Since(begun).Seconds()
	if len(verdicts) != 2*len(points) || next.IsZero() {
		return 0, fmt.Errorf("%d verdicts of %d points, next %s", len(verdicts), len(points), next)
	}
	return took, nil
}

func promisedRetention(context.Context, place) (float64, error) { return retentionPromise, nil }

// retention measures the looks of the service on each database.
func (o options) retention(ctx context.Context, dir string, match *regexp.Regexp) error {
	for _, database := range []string{"sqlite", "postgres"} {
		if !match.MatchString("retention-look-" + database) {
			continue
		}
		if err := o.retentionOn(ctx, filepath.Join(dir, "retention-"+database), database); err != nil {
			return fmt.Errorf("retention on %s: %w", database, err)
		}
	}
	return nil
}

func (o options) retentionOn(ctx context.Context, dir, database string) error {
	p, stop, err := o.filledOn(ctx, dir, database, retentionInstances)
	if err != nil {
		return err
	}
	defer stop()
	output, err := apart(ctx, p, "-retention", "-profile", o.profile)
	fmt.Printf("%s", output)
	return err
}

// retentionChild measures in this process, and prints the line; the place is read from
// standard input.
func (o options) retentionChild(ctx context.Context) error {
	var p apiPlace
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return err
	}
	name := "retention-look-" + p.database()
	return o.profiledCase(name, func() error {
		line, err := p.measureLooks(ctx, name)
		fmt.Print(line)
		return err
	})
}

func (p apiPlace) measureLooks(ctx context.Context, name string) (line string, err error) {
	db, err := p.open(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store := sqlstore.New(db, func(context.Context, *sqlstore.Transaction, catalog.Job) error { return nil })
	took, ratio, err := inRounds(func() (float64, error) { return p.lookAtAll(ctx, store) }, func() (float64, error) { return p.readAll(ctx, store) })
	if err != nil {
		return "", err
	}
	rss, err := peakMemory("self")
	return fmt.Sprintf("bench %s %.3g s ratio=%.2f peer=read-them rss=%d\n", name, took, ratio, rss/1e6), err
}

// lookAtAll lets the service look at the recovery points of every instance, as it
// does once a day. None has expired.
func (p apiPlace) lookAtAll(ctx context.Context, store catalog.Store) (seconds float64, err error) {
	flow := workflow.New(workflow.Config{Store: store, Clock: clock.NewManual(newestPoint), Log: slog.New(slog.DiscardHandler), Bell: &agentops.Bell{}})
	for _, handler := range flow.Handlers() {
		if handler.Kind != string(backup.WorkExpire) {
			continue
		}
		begun := time.Now()
		for n := range p.Instances {
			args, err := json.Marshal(backup.Work{Kind: backup.WorkExpire, Subject: p.instance(n)})
			if err != nil {
				return 0, err
			}
			if _, err := handler.Work(ctx, args); err != nil {
				return 0, err
			}
		}
		return time.Since(begun).Seconds(), nil
	}
	return 0, errors.New("nobody looks at what expires")
}

// readAll reads the same documents, an instance in each transaction, and makes nothing
// of them.
func (p apiPlace) readAll(ctx context.Context, store catalog.Store) (seconds float64, err error) {
	begun := time.Now()
	for n := range p.Instances {
		err := store.View(ctx, func(tx catalog.Tx) error {
			found, err := tx.List(catalog.Query{Kind: "recovery-point", Prefix: backup.Key(p.instance(n)) + "/"})
			if err == nil && len(found) != apiPoints {
				err = fmt.Errorf("%d recovery points of %s", len(found), p.instance(n))
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(begun).Seconds(), nil
}
