package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"holdfast.dev/holdfast/test/equality"
	"holdfast.dev/holdfast/test/stand"
)

// demo is one run; what each step learns is kept for the last one.
type demo struct {
	*stand.Stand
	start  time.Time
	before equality.Snapshot
	sums   string
}

// step is one line of the timeline.
type step struct {
	name string
	run  func(context.Context) error
}

func (d *demo) up(ctx context.Context) error {
	if err := d.play(ctx, []step{
		{"cluster: one real Kubernetes node", d.StartCluster},
		{"images: extension, PostgreSQL", d.images},
		{"service: holdfastd, embedded defaults", d.service},
		{"connect the cluster, declare the extension", d.connect},
		{"application: PostgreSQL 15, 1 GB by pgbench", d.application},
		{"protect: vault, policy, instance", d.protect},
		{"back up", d.backup},
		{"destroy: delete the namespace", d.destroy},
		{"restore", d.restore},
	}); err != nil {
		return err
	}
	if _, err := d.prove(ctx); err != nil {
		return err
	}
	if !d.External { // a cluster of somebody else's is not ours to destroy
		if err := d.play(ctx, d.secondAct()); err != nil {
			return err
		}
	}
	return d.pass(ctx)
}

// play takes the steps and prints a line for each.
func (d *demo) play(ctx context.Context, steps []step) error {
	for _, s := range steps {
		begin := time.Now()
		fmt.Printf("%6s  %s ... ", d.elapsed(), s.name)
		if err := s.run(ctx); err != nil {
			fmt.Println("failed")
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("%.1f s\n", time.Since(begin).Seconds())
	}
	return nil
}

func (d *demo) elapsed() string { return fmt.Sprintf("%.0f s", time.Since(d.start).Seconds()) }

func (d *demo) images(ctx context.Context) error {
	return d.LoadImages(ctx, filepath.Join(d.Root, "bin", "holdfast-agent.tar"), filepath.Join(d.Root, "bin", "postgres.tar"))
}

func (d *demo) service(ctx context.Context) error {
	if err := d.StartService(ctx); err != nil {
		return err
	}
	_, err := d.Holdfast(ctx, "login", "--admin-file", filepath.Join(d.DataDir(), "admin.json"))
	return err
}

func (d *demo) connect(ctx context.Context) error {
	if d.External {
		if err := d.startStore(ctx); err != nil {
			return err
		}
	}
	return d.Setup(ctx, "demo")
}

// apply sends a manifest to the cluster.
func (d *demo) apply(ctx context.Context, file string) error {
	_, err := d.Kubectl(ctx, "apply", "-f", filepath.Join(d.Root, "test", "demo", "manifests", file))
	return err
}

func (d *demo) application(ctx context.Context) error {
	if err := d.apply(ctx, "app.yaml"); err != nil {
		// The kinds of a new definition are served a moment later.
		time.Sleep(2 * time.Second)
		if err := d.apply(ctx, "app.yaml"); err != nil {
			return err
		}
	}
	if err := d.ready(ctx); err != nil {
		return err
	}
	if _, err := d.psql(ctx, "select count(*) from pgbench_accounts"); err == nil {
		return nil // an earlier run made the data
	}
	_, err := d.Kubectl(ctx, "exec", "-n", "shop", "database-0", "--", "/usr/lib/postgresql/15/bin/pgbench",
		"-h", "/tmp", "-U", "postgres", "-i", "-q", "-s", "66", "postgres")
	if err != nil {
		return err
	}
	_, err = d.psql(ctx, "checkpoint")
	return err
}

func (d *demo) ready(ctx context.Context) error {
	for _, w := range []string{"statefulset/database", "deployment/web"} {
		if _, err := d.Kubectl(ctx, "rollout", "status", "-n", "shop", w, "--timeout=120s"); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) psql(ctx context.Context, query string) (string, error) {
	return d.Kubectl(ctx, "exec", "-n", "shop", "database-0", "--", "/usr/lib/postgresql/15/bin/psql",
		"-h", "/tmp", "-U", "postgres", "-d", "postgres", "-Atc", query)
}

// checksums sums up every row of every table of the database.
func (d *demo) checksums(ctx context.Context) (string, error) {
	var all []string
	for _, table := range []string{"pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history"} {
		sum, err := d.psql(ctx, "select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from "+table+" t")
		if err != nil {
			return "", err
		}
		all = append(all, table+" "+strings.TrimSpace(sum))
	}
	return strings.Join(all, "\n"), nil
}

func (d *demo) snapshot(ctx context.Context) (equality.Snapshot, error) {
	config, err := clientcmd.BuildConfigFromFlags("", d.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 200, 400
	return equality.Take(ctx, config, "shop")
}

func (d *demo) protect(ctx context.Context) (err error) {
	if d.sums, err = d.checksums(ctx); err != nil {
		return err
	}
	if err := d.VaultedPolicy(ctx, "vaulted"); err != nil {
		return err
	}
	return d.Protect(ctx, stand.Protection{Friendly: "shop", Namespaces: []string{"shop"}, Policy: "vaulted"})
}

func (d *demo) backup(ctx context.Context) (err error) {
	if d.before, err = d.snapshot(ctx); err != nil {
		return err
	}
	return d.job(ctx, "backup", "shop")
}

// job runs an everyday verb and demands that its job completed without warnings.
func (d *demo) job(ctx context.Context, args ...string) error {
	out, err := d.Holdfast(ctx, append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	var j struct {
		Properties struct {
			Status       string
			ExtendedInfo struct{ WarningDetails []any }
		}
	}
	if err := json.Unmarshal([]byte(out), &j); err != nil {
		return err
	}
	if j.Properties.Status != "Completed" {
		return fmt.Errorf("the job ended as %s: %v", j.Properties.Status, j.Properties.ExtendedInfo.WarningDetails)
	}
	return nil
}

func (d *demo) destroy(ctx context.Context) error {
	_, err := d.Kubectl(ctx, "delete", "namespace", "shop", "--timeout=120s")
	return err
}

func (d *demo) restore(ctx context.Context) error {
	if err := d.job(ctx, "restore", "shop"); err != nil {
		return err
	}
	return d.ready(ctx)
}

// prove compares what is there now with what was there before.
func (d *demo) prove(ctx context.Context) (equality.Snapshot, error) {
	after, err := d.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	sums, err := d.checksums(ctx)
	if err != nil {
		return nil, err
	}
	if diff := equality.Differences(d.before, after); len(diff) > 0 {
		return nil, fmt.Errorf("objects differ\n%s", strings.Join(diff, "\n"))
	}
	if sums != d.sums {
		return nil, fmt.Errorf("checksums differ\nbefore:\n%s\nafter:\n%s", d.sums, sums)
	}
	return after, nil
}

// pass proves once more and says so.
func (d *demo) pass(ctx context.Context) error {
	after, err := d.prove(ctx)
	if err != nil {
		return err
	}
	volumes := 0
	for name := range after {
		if strings.HasPrefix(name, "/PersistentVolumeClaim/") {
			volumes++
		}
	}
	fmt.Printf("%6s  the system stays up at %s; 'make demo-down' removes it\n", d.elapsed(), d.URL())
	fmt.Printf("        export HOLDFAST_CONFIG=%s KUBECONFIG=%s PATH=%s:$PATH; holdfast status\n",
		filepath.Join(d.Dir, "config.yaml"), d.Kubeconfig, filepath.Join(d.Root, "bin"))
	fmt.Printf("demo: PASS objects=%d volumes=%d checksums=equal\n", len(after), volumes)
	return nil
}

func (d *demo) down(ctx context.Context) error {
	if err := d.StopService(ctx); err != nil {
		return err
	}
	if err := d.leaveCluster(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(d.Dir); err != nil {
		return err
	}
	fmt.Println("demo: removed")
	return nil
}
