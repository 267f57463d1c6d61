package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// loop is a block device on a file, without a cache of its own.
type loop struct {
	file, device string
	size         int64
}

func newLoop(ctx context.Context, path string, size int64) (*loop, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(file.Truncate(size), file.Close()); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "losetup", "--find", "--show", "--direct-io=on", path).Output()
	if err != nil {
		return nil, fmt.Errorf("losetup: %w", err)
	}
	return &loop{path, strings.TrimSpace(string(out)), size}, nil
}

// empty gives all of the device's space back.
func (l *loop) empty(ctx context.Context) error {
	return run(ctx, "fallocate", "--punch-hole", "--offset", "0", "--length", strconv.FormatInt(l.size, 10), l.device)
}

// remove is done also when the run was stopped.
func (l *loop) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(run(ctx, "losetup", "--detach", l.device), os.Remove(l.file))
}
