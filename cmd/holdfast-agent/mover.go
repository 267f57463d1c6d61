package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/clock"
)

// moverCommand is the program of a mover pod. It tells its progress in lines
// of its log, and the result in its termination message.
func moverCommand() *cobra.Command {
	var file, end string
	command := &cobra.Command{
		Use: "mover", Short: "Move the data of one volume between a block device and the vault",
		RunE: func(command *cobra.Command, _ []string) error {
			debug.SetGCPercent(25) // blocks pass through; a heap four times as large gains nothing
			order, err := mover.ReadOrder(file)
			if err != nil {
				return err
			}
			lines := &progressLines{out: command.OutOrStdout(), clock: clock.System{}}
			report, failed := mover.Run(command.Context(), order, lines.tell)
			raw, err := report.Encode()
			if err == nil {
				err = os.WriteFile(end, raw, 0o600)
			}
			if err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			return failed
		},
	}
	command.Flags().StringVar(&file, "order", movers.OrderFile, "file with the order")
	command.Flags().StringVar(&end, "report", "/dev/termination-log", "file for the report")
	return command
}

// progressLines writes progress to a log, a line every two seconds.
type progressLines struct {
	mu    sync.Mutex
	out   io.Writer
	clock clock.Clock
	last  time.Time
}

func (l *progressLines) tell(p agentv1.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if now.Sub(l.last) < 2*time.Second {
		return
	}
	l.last = now
	raw, _ := json.Marshal(map[string]agentv1.Progress{"progress": p}) // cannot fail: numbers and a word
	fmt.Fprintf(l.out, "%s\n", raw)
}
