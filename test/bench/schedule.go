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
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/jobs"
	"holdfast.dev/holdfast/internal/workflow"
)

// What the schedule costs for each instance that waits for its time, and for each
// that is due, with its job, its work and its next plan on disk. Limits are one read
// of the catalog that finds nothing, and one write of as many documents.
const (
	scheduleInstances = 5_000
	scheduleLooks     = 50  // of a round, at what is not due
	scheduleStep      = 500 // starts of one look
)

// schedulePlace is a catalog of instances that are protected, and due together.
type schedulePlace struct {
	Dir, Database string
	Instances     int
	clock         *clock.Manual
	store         *sqlstore.Store
	flow          *workflow.Workflow
}

// scheduleBegin is an hour before they are due for the first time.
var scheduleBegin = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// scheduleCase is one line for each database.
type scheduleCase struct {
	name, unit, peer string
	// work and limit return the seconds that each instance takes.
	work, limit func(context.Context, *schedulePlace) (float64, error)
	scale       float64
}

var scheduleCases = []scheduleCase{
	{"schedule-idle", "ns/instance", "one-empty-list", idleLook, emptyList, 1e9},
	{"schedule-due", "us/instance", "one-write-of-4", dueLook, bareWrite, 1e6},
}

// schedule measures the schedule on each database.
func (o options) schedule(ctx context.Context, dir string, match *regexp.Regexp) error {
	for _, database := range []string{"sqlite", "postgres"} {
		wanted := false
		for _, c := range scheduleCases {
			wanted = wanted || match.MatchString(c.name+"-"+database)
		}
		if !wanted {
			continue
		}
		if err := o.scheduleOn(ctx, filepath.Join(dir, "schedule-"+database), database, match); err != nil {
			return fmt.Errorf("schedule on %s: %w", database, err)
		}
	}
	return nil
}

func (o options) scheduleOn(ctx context.Context, dir, database string, match *regexp.Regexp) error {
	p := schedulePlace{Dir: dir, Instances: max(1, int(o.scale*scheduleInstances))}
	url, stop, err := onDatabase(ctx, dir, database)
	if err != nil {
		return err
	}
	defer stop()
	p.Database = url
	output, err := apart(ctx, p, "-schedule")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(output)) {
		if name, _, _ := strings.Cut(strings.TrimPrefix(line, "bench "), " "); match.MatchString(name) {
			fmt.Print(line)
		}
	}
	return nil
}

// scheduleChild measures in this process, and prints the lines; the place is read from
// standard input.
func scheduleChild(ctx context.Context) error {
	var p schedulePlace
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return err
	}
	closeAll, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	database := apiPlace{Database: p.Database}.database()
	for _, c := range scheduleCases {
		line, err := c.measure(ctx, &p, database)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Println(line)
	}
	return nil
}

func (c scheduleCase) measure(ctx context.Context, p *schedulePlace, database string) (string, error) {
	took, ratio, err := inRounds(func() (float64, error) { return c.work(ctx, p) }, func() (float64, error) { return c.limit(ctx, p) })
	if err != nil {
		return "", err
	}
	rss, err := peakMemory("self")
	return fmt.Sprintf("bench %s-%s %.4g %s ratio=%.2f peer=%s rss=%d",
		c.name, database, took*c.scale, c.unit, ratio, c.peer, rss/1e6), err
}

// open opens the catalog, and protects all instances.
func (p *schedulePlace) open(ctx context.Context) (closeAll func(), err error) {
	api := apiPlace{Dir: p.Dir, Database: p.Database}
	db, err := api.open(ctx)
	if err != nil {
		return nil, err
	}
	closeAll = func() { _ = db.Close() } // nothing is wanted of it any more
	queue, err := jobs.NewQueue(db)
	if err == nil {
		err = errors.Join(db.Migrate(ctx), jobs.Migrate(ctx, db))
	}
	if err == nil {
		p.clock = clock.NewManual(scheduleBegin)
		p.store = sqlstore.New(db, queue.Enqueue)
		p.flow = workflow.New(workflow.Config{Store: p.store, Clock: p.clock, Log: slog.New(slog.DiscardHandler), Bell: &agentops.Bell{},
			Schedule: workflow.Schedule{AtOnce: 1 << 20, PerCluster: 1 << 20}})
		err = p.protect(ctx, sqlstore.New(db, func(context.Context, *sqlstore.Transaction, catalog.Job) error { return nil }))
	}
	if err != nil {
		closeAll()
		return nil, err
	}
	return closeAll, nil
}

const scheduleVault = "/subscriptions/s/resourceGroups/g" + apiVault

// protect writes the instances and their plans, in a store that enqueues nothing.
func (p *schedulePlace) protect(ctx context.Context, store catalog.Store) error {
	policy := &backup.Policy{Meta: backup.Meta{ID: scheduleVault + "/backupPolicies/p"}, Rules: []backup.Rule{
		{Name: "BackupHourly", Backup: &backup.BackupRule{BackupType: "Incremental", Tier: backup.TierOperational, Intervals: []string{"R/2023-01-04T09:00:00Z/PT4H"}}}}}
	calendar, err := policy.Calendar()
	if err == nil {
		err = store.Update(ctx, func(tx catalog.Tx) error { return inventory.Policies.Put(tx, policy) })
	}
	for first := 0; first < p.Instances && err == nil; first += scheduleStep {
		err = store.Update(ctx, func(tx catalog.Tx) (err error) {
			for n := first; n < min(first+scheduleStep, p.Instances); n++ {
				cluster := fmt.Sprintf("/subscriptions/s/resourceGroups/g/providers/%s/c%03d", backup.DatasourceAKS, n%50)
				i := &backup.Instance{Meta: backup.Meta{ID: fmt.Sprintf("%s/backupInstances/i%05d", scheduleVault, n)}, UID: fmt.Sprintf("%032x", n),
					PolicyID: policy.ID, Datasource: backup.Datasource{ID: cluster, Type: backup.DatasourceAKS}, Protection: backup.ProtectionConfigured}
				plan := &backup.Plan{Meta: backup.Meta{ID: i.ID}, Calendar: policy.CalendarText()}
				plan.Await(calendar.After(scheduleBegin, backup.Key(i.ID), workflow.DefaultWindow))
				err = errors.Join(err, inventory.Instances.Put(tx, i), inventory.PutPlan(tx, plan, cluster))
			}
			return err
		})
	}
	return err
}

func (p *schedulePlace) look(ctx context.Context) error {
	for _, handler := range p.flow.Handlers() {
		if handler.Kind == workflow.KindSchedule {
			_, err := handler.Work(ctx, json.RawMessage(`{}`))
			return err
		}
	}
	return errors.New("nobody looks at what is due")
}

// idleLook looks while nothing is due.
func idleLook(ctx context.Context, p *schedulePlace) (float64, error) {
	begun := time.Now()
	for range scheduleLooks {
		if err := p.look(ctx); err != nil {
			return 0, err
		}
	}
	return time.Since(begun).Seconds() / scheduleLooks / float64(p.Instances), nil
}

func emptyList(ctx context.Context, p *schedulePlace) (float64, error) {
	begun := time.Now()
	for range scheduleLooks {
		err := p.store.View(ctx, func(tx catalog.Tx) error {
			_, err := tx.List(catalog.Query{Kind: "none", Limit: 1})
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(begun).Seconds() / scheduleLooks / float64(p.Instances), nil
}

// dueLook lets everything be due once more, and looks once.
func dueLook(ctx context.Context, p *schedulePlace) (float64, error) {
	if err := p.end(ctx); err != nil {
		return 0, err
	}
	p.clock.Advance(4 * time.Hour)
	before := p.flow.ScheduleCounts.Started.Load()
	begun := time.Now()
	if err := p.look(ctx); err != nil {
		return 0, err
	}
	took := time.Since(begun).Seconds()
	started := p.flow.ScheduleCounts.Started.Load() - before
	if started == 0 {
		return 0, errors.New("nothing was started")
	}
	return took / float64(started), nil
}

// end ends the backups that run.
func (p *schedulePlace) end(ctx context.Context) error {
	return p.store.Update(ctx, func(tx catalog.Tx) error {
		open, err := inventory.Jobs.With(tx, inventory.LabelHolding, string(backup.JobBackup))
		for i := range open {
			open[i].Complete(p.clock.Now(), nil)
			err = errors.Join(err, inventory.Jobs.Put(tx, &open[i]))
		}
		return err
	})
}

// bareWrite writes as many documents as a start does, as often: a job, a plan and its
// place in the order, and work.
func bareWrite(ctx context.Context, p *schedulePlace) (float64, error) {
	body, err := json.Marshal(strings.Repeat("x", 700))
	if err != nil {
		return 0, err
	}
	const writes = 100
	begun := time.Now()
	for n := range writes {
		err := p.store.Update(ctx, func(tx catalog.Tx) (err error) {
			for _, kind := range []string{"bare-job", "bare-plan", "bare-place", "bare-work"} {
				_, one := tx.Put(catalog.Document{Kind: kind, ID: fmt.Sprintf("%p/%d", &begun, n), Body: body}, "")
				err = errors.Join(err, one)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(begun).Seconds() / writes, nil
}
