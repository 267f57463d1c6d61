// Command demo does the main job once, on real data: it protects a namespace
// running PostgreSQL, backs it up, deletes it, restores it, and proves that
// nothing is missing. Then everything is lost but the vault, and another cluster
// gets the application from there. See 'make demo' in the README.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"holdfast.dev/holdfast/test/stand"
)

func main() {
	down := flag.Bool("down", false, "remove everything that the demo left running")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *down); err != nil {
		fmt.Fprintln(os.Stderr, err)
		fmt.Println("demo: FAIL", firstLine(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, down bool) error {
	log, err := os.OpenFile(filepath.Join(stateDir(), "demo.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s, err := stand.New(stand.Options{Name: "demo", Dir: stateDir(), Port: port(), Log: log,
		Kubeconfig: os.Getenv("KUBECONFIG"), Host: os.Getenv("HOLDFAST_HOST")})
	if err != nil {
		return err
	}
	d := &demo{Stand: s, start: time.Now()}
	if down {
		return d.down(ctx)
	}
	return d.up(ctx)
}

// stateDir is where the demo keeps its service, logs and contexts.
func stateDir() string {
	dir := os.Getenv("HOLDFAST_DEMO_DIR")
	if dir == "" {
		dir = "/srv/holdfast-demo"
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return dir
}

func port() int {
	if p, err := strconv.Atoi(os.Getenv("HOLDFAST_PORT")); err == nil {
		return p
	}
	return 8443
}

func firstLine(err error) string {
	s := err.Error()
	for i, r := range s {
		if r == '\n' {
			return s[:i]
		}
	}
	return s
}
