// Command holdfast is the command line of the backup service.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"holdfast.dev/holdfast/internal/cli"
	"holdfast.dev/holdfast/internal/cli/console"
)

// version is stamped by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, console.New(), version, os.Args[1:]))
}
