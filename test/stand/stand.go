// Package stand builds and runs a whole system for the demo and the end-to-end
// tests: a real cluster, the service, and the command line, each as a person
// would run it. Nothing in it reaches into the product's packages.
package stand

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Stand is one running system.
type Stand struct {
	Root       string // of the source tree
	Dir        string // state: data directory, logs, configuration
	Name       string // of the cluster
	Kubeconfig string
	External   bool   // the cluster was given and is not ours to stop
	Host       string // address at which pods reach this machine
	Port       int    // of the API; the agents' port is the next one
	// Store says where the storage account of Setup lies, as flags of the command
	// line; empty means the service's own directory, which a node of our own sees.
	Store string
	// Location is the region of what Setup makes; Region when empty.
	Location string
	// VaultName is the vault that Protect and AllowVault use; Vault when empty.
	VaultName string
	// Serve are more arguments of holdfastd serve, Environment more variables of it,
	// and Program its name in bin; holdfastd when empty.
	Serve, Environment []string
	Program            string
	Log                io.Writer
}

// Options choose a stand.
type Options struct {
	Name       string // cluster name, "demo" or "e2e"
	Dir        string // state directory
	Port       int
	Kubeconfig string // an existing cluster instead of our own
	Host       string // with an existing cluster: address at which its pods reach this machine
	Log        io.Writer
}

// New finds the source tree and prepares the state directory.
func New(o Options) (*Stand, error) {
	root, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	return &Stand{Root: root, Dir: o.Dir, Name: o.Name, Kubeconfig: o.Kubeconfig, External: o.Kubeconfig != "",
		Host: o.Host, Port: o.Port, Log: o.Log}, nil
}

func sourceRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(data, []byte("module holdfast.dev/holdfast\n")) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the source tree")
		}
		dir = filepath.Dir(dir)
	}
}

// Binary is the path of one of our programs.
func (s *Stand) Binary(name string) string { return filepath.Join(s.Root, "bin", name) }

// Command runs a program and returns its standard output. Standard error goes
// to the log, and into the error when the program fails.
func (s *Stand) Command(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.Root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig, "HOLDFAST_CONFIG="+filepath.Join(s.Dir, "config.yaml"))
	var out, errs bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = io.MultiWriter(&errs, s.Log)
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Holdfast runs the command line.
func (s *Stand) Holdfast(ctx context.Context, args ...string) (string, error) {
	return s.Command(ctx, s.Binary("holdfast"), args...)
}

// Devcluster runs the cluster's own command.
func (s *Stand) Devcluster(ctx context.Context, args ...string) (string, error) {
	return s.Command(ctx, s.Binary("devcluster"), args...)
}

// Kubectl runs kubectl against the cluster.
func (s *Stand) Kubectl(ctx context.Context, args ...string) (string, error) {
	if s.External {
		return s.Command(ctx, "kubectl", args...)
	}
	return s.Devcluster(ctx, append([]string{"kubectl", "--name", s.Name}, args...)...)
}

// Admin is what the service leaves for its first administrator.
type Admin struct {
	URL          string `json:"url"`
	Tenant       string `json:"tenant"`
	Subscription string `json:"subscription"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	CAFile       string `json:"caFile"`
}

// Admin reads the administrator's credentials.
func (s *Stand) Admin() (*Admin, error) {
	data, err := os.ReadFile(filepath.Join(s.DataDir(), "admin.json"))
	if err != nil {
		return nil, err
	}
	var a Admin
	return &a, json.Unmarshal(data, &a)
}

// Eventually calls probe every half second until it answers true, the deadline
// passes, or it fails.
func Eventually(ctx context.Context, what string, within time.Duration, probe func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	last := errors.New("not asked yet")
	for {
		ok, err := probe()
		if ok {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s (last: %w)", what, within, last)
		}
	}
}
