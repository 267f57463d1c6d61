package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// atOnce is how many requests are under way when all are to be made.
const atOnce = 16

// run does one run: it furnishes, waits until all backups are due, kills the service
// on the way and looks at what there is at the end.
func run(ctx context.Context, s size, program, dir, database string) (o outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	service, err := newReplicas(s.Replicas, program, dir, database, s.Window)
	if err != nil {
		return o, err
	}
	defer service.kill()
	defer func() {
		if err != nil && !errors.Is(err, errTooSlow) {
			err = fmt.Errorf("%w%s", err, service.logEnds())
		}
	}()
	if err := service.start(ctx); err != nil {
		return o, err
	}
	w := &world{size: s}
	if w.api, w.subscription, err = service[0].signIn(); err != nil {
		return o, err
	}
	identities := filepath.Join(dir, "agents")
	if err := os.Mkdir(identities, 0o700); err != nil {
		return o, err
	}
	working, rest := context.WithCancel(ctx)
	w.agents = &agents{ctx: working, dir: identities, size: s, count: newCounts(), log: slog.New(slog.DiscardHandler)}
	defer func() { rest(); w.agents.done.Wait() }()
	if err := w.furnish(ctx); err != nil {
		return o, fmt.Errorf("furnish: %w", err)
	}
	service.kill() // what furnishing took is not counted
	service.forget()
	if err := service.start(ctx); err != nil {
		return o, err
	}
	return w.live(ctx, service)
}

// live lets the time of the policies come, and sees what becomes of it.
func (w *world) live(ctx context.Context, service replicas) (o outcome, err error) {
	kills, err := w.killOnTheWay(ctx, service)
	if err != nil {
		return o, err
	}
	complete, err := w.await(ctx)
	if err != nil {
		return o, err
	}
	whole := time.Since(w.due)
	service.kill()
	o = w.agents.count.sum(w.due, w.instances, complete)
	o.kills, o.whole, o.replicas = kills, whole, len(service)
	o.cpu, o.peak = service.spent()
	return o, nil
}

func tell(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "fleet: "+format+"\n", values...)
}

// killOnTheWay kills a replica each time another share of the backups has begun.
func (w *world) killOnTheWay(ctx context.Context, service replicas) (kills int, err error) {
	for kills < w.size.Kills {
		if err := w.until(ctx, (kills+1)*w.size.instances()/(w.size.Kills+1)); err != nil {
			return kills, err
		}
		victim := service[kills%len(service)]
		victim.kill()
		kills++
		if err := victim.start(ctx); err != nil {
			return kills, err
		}
		tell("%s killed, the %d. time; %d begun %.0f s after they were due", victim.name, kills, w.agents.count.begun(), time.Since(w.due).Seconds())
	}
	return kills, nil
}

// until waits until so many backups have begun, or the promise is broken.
func (w *world) until(ctx context.Context, begun int) error {
	for w.agents.count.begun() < begun && time.Since(w.due) <= promise {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("%d have begun: %w", w.agents.count.begun(), err)
		}
	}
	return nil
}

// await waits until every backup has begun and every job has ended, and counts the
// recovery points of instances whose only job completed.
func (w *world) await(ctx context.Context) (map[string]int, error) {
	if err := w.until(ctx, w.size.instances()); err != nil {
		return nil, err
	}
	tell("%d begun %.0f s after they were due", w.agents.count.begun(), time.Since(w.due).Seconds())
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

// jobs counts the completed jobs of each instance, and those under way. One that began
// after the service's window, which may be much shorter than the promise, has a warning.
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
		case job.Properties.Status == "Completed", job.Properties.Status == "CompletedWithWarnings":
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
	return some(ctx, atOnce, ids, do)
}

func some(ctx context.Context, most int, ids []string, do func(context.Context, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(most)
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
