package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build returns the path of the program of test/NAME/server, which
// scripts/server.sh compiles when it is not in the cache.
func Build(ctx context.Context, name string) (string, error) {
	root, err := output(exec.CommandContext(ctx, "go", "env", "GOMOD"))
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	program, err := output(exec.CommandContext(ctx, filepath.Join(filepath.Dir(root), "scripts", "server.sh"), name))
	if err != nil {
		return "", fmt.Errorf("compile the test server %s: %w", name, err)
	}
	return program, nil
}

func output(cmd *exec.Cmd) (string, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil && len(out) == 0 {
		err = errors.New("it printed nothing")
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}
