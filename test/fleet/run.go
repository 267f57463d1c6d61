package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// atOnce is how many requests are under way when all are to be made.
const atOnce = 16

// run does one run: it furnishes, asks for all backups, kills the service on the
// way and looks at what there is at the end.
func run(ctx context.Context, s size, program, dir, database string) (o outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	p, err := newProcess(program, dir, database)
	if err != nil {
		return o, err
	}
	defer p.kill()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nthe end of the service's log:\n%s", err, p.logEnd())
		}
	}()
	if err := p.start(ctx); err != nil {
		return o, err
	}
	w := &world{size: s}
	if w.api, w.subscription, err = p.signIn(); err != nil {
		return o, err
	}
	identities := filepath.Join(dir, "agents")
	if err := os.Mkdir(identities, 0o700); err != nil {
		return o, err
	}
	working, rest := context.WithCancel(ctx)
	w.agents = &agents{ctx: working, dir: identities, size: s, count: newCounts(), log: slog.New(slog.DiscardHandler)}
	defer func() { rest(); w.agents.done.Wait() }()
	begun := time.Now()
	if err := w.furnish(ctx); err != nil {
		return o, fmt.Errorf("furnish: %w", err)
	}
	tell("%d instances protected after %.0f s", s.instances(), time.Since(begun).Seconds())
	p.kill() // what furnishing took is not counted
	p.cpu, p.peak = 0, 0
	if err := p.start(ctx); err != nil {
		return o, err
	}
	due := time.Now()
	if err := w.trigger(ctx); err != nil {
		return o, fmt.Errorf("ask for backups: %w", err)
	}
	tell("all backups asked for after %.0f s, %d begun", time.Since(due).Seconds(), w.agents.count.begun())
	kills, err := w.killOnTheWay(ctx, p)
	if err != nil {
		return o, err
	}
	complete, err := w.await(ctx)
	if err != nil {
		return o, err
	}
	whole := time.Since(due)
	p.kill()
	o = w.agents.count.sum(due, s.Window, w.instances, complete)
	o.kills, o.whole, o.peak, o.cpu = kills, whole, p.peak, p.cpu
	return o, nil
}

func tell(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "fleet: "+format+"\n", values...)
}

// trigger asks for the backup of every instance. Nothing is asked twice: the
// service is not killed meanwhile.
func (w *world) trigger(ctx context.Context) error {
	return each(ctx, w.instances, func(ctx context.Context, id string) error {
		_, err := w.api.Do(ctx, http.MethodPost, id+"/backup", apiVersion,
			object{"backupRuleOptions": object{"ruleName": "BackupHourly", "triggerOption": object{"retentionTagOverride": "Default"}}})
		return err
	})
}

// killOnTheWay kills the service each time another share of the backups has begun.
func (w *world) killOnTheWay(ctx context.Context, p *process) (kills int, err error) {
	for kills < w.size.Kills {
		for w.agents.count.begun() < (kills+1)*w.size.instances()/(w.size.Kills+1) {
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return kills, err
			}
		}
		p.kill()
		kills++
		if err := p.start(ctx); err != nil {
			return kills, err
		}
		tell("killed %d times, %d begun", kills, w.agents.count.begun())
	}
	return kills, nil
}

// await waits until every job has ended, and counts the recovery points of
// instances whose only job completed.
func (w *world) await(ctx context.Context) (map[string]int, error) {
	for {
		completed, running, err := w.jobs(ctx)
		if err == nil && running == 0 {
			return w.points(ctx, completed)
		}
		if err := pause(ctx, min(5*time.Second, w.size.Work)); err != nil {
			return nil, fmt.Errorf("%d jobs have not ended: %w", running, err)
		}
	}
}

// jobs counts the completed jobs of each instance, and those under way.
func (w *world) jobs(ctx context.Context) (completed map[string]int, running int, err error) {
	completed = map[string]int{}
	for item, err := range w.api.List(ctx, w.vault()+"/backupJobs?$top=1000", apiVersion) {
		var job struct {
			Properties struct {
				Status    string
				Operation string
				Instance  string `json:"backupInstanceId"`
			}
		}
		if err == nil {
			err = json.Unmarshal(item, &job)
		}
		if err != nil {
			return nil, 0, err
		}
		switch {
		case job.Properties.Operation != "Backup":
		case job.Properties.Status == "InProgress":
			running++
		case job.Properties.Status == "Completed":
			completed[strings.ToLower(job.Properties.Instance)]++
		}
	}
	return completed, running, nil
}

func (w *world) points(ctx context.Context, completed map[string]int) (map[string]int, error) {
	found := make([]int, len(w.instances))
	index := map[string]int{}
	for i, id := range w.instances {
		index[id] = i
	}
	err := each(ctx, w.instances, func(ctx context.Context, id string) error {
		for _, err := range w.api.List(ctx, id+"/recoveryPoints", apiVersion) {
			if err != nil {
				return err
			}
			found[index[id]]++
		}
		return nil
	})
	whole := map[string]int{}
	for i, id := range w.instances {
		if key := strings.ToLower(id); completed[key] == 1 {
			whole[key] = found[i]
		}
	}
	return whole, err
}

// each does something with every id, some at a time.
func each(ctx context.Context, ids []string, do func(context.Context, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, id := range ids {
		group.Go(func() error {
			if err := do(ctx, id); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// must sends a request and waits for what it started.
func (w *world) must(ctx context.Context, method, path string, body any) (map[string]any, error) {
	first, err := w.api.Do(ctx, method, path, apiVersion, body)
	if err != nil {
		return nil, err
	}
	_, result, err := w.api.Wait(ctx, first, nil)
	if err != nil || len(result) == 0 {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(result, &out)
}
