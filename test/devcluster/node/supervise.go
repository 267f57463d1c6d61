package node

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"holdfast.dev/holdfast/test/devcluster/kubeapi"
)

const (
	shortestPause = 300 * time.Millisecond
	longestPause  = 5 * time.Second
	longRun       = 30 * time.Second // after which a failure counts as the first one
)

// Run is the supervisor: it prepares the namespaces it is in and keeps every
// component running until ctx ends.
func (c Config) Run(ctx context.Context) error {
	if err := c.prepareMounts(); err != nil {
		return fmt.Errorf("prepare mounts: %w", err)
	}
	if err := c.Plan.ConfigureNode(ctx); err != nil {
		return fmt.Errorf("prepare network: %w", err)
	}
	api, err := kubeapi.New(filepath.Join(home, "pki"), c.Plan.APIServer())
	if err != nil {
		return err
	}
	components := c.components(api)
	board := &board{home: home, running: map[string]int{}}
	for _, component := range components {
		board.running[component.Name] = 0
	}
	var all sync.WaitGroup
	for _, component := range components {
		all.Go(func() { board.keep(ctx, component) })
	}
	all.Wait()
	return context.Cause(ctx)
}

// keep starts the component again whenever it ends, later and later while it
// keeps failing at once.
func (b *board) keep(ctx context.Context, component Component) {
	pause := shortestPause
	for ctx.Err() == nil {
		start := time.Now()
		err := b.runOnce(ctx, component)
		log.Printf("%s ended after %s: %v", component.Name, time.Since(start).Round(time.Millisecond), err)
		if time.Since(start) > longRun {
			pause = shortestPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

func (b *board) runOnce(ctx context.Context, component Component) error {
	for _, gate := range component.After {
		if err := kubeapi.Wait(ctx, "what it needs", gate); err != nil {
			return err
		}
	}
	out, err := os.OpenFile(filepath.Join(b.home, "log", component.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, component.Args[0], component.Args[1:]...)
	cmd.Dir = b.home
	cmd.Env = []string{"PATH=" + home + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	log.Printf("%s started, process %d", component.Name, cmd.Process.Pid)
	if err := b.show(component.Name, cmd.Process.Pid); err != nil {
		log.Printf("show what runs: %v", err)
	}
	defer b.show(component.Name, 0)
	return cmd.Wait()
}
