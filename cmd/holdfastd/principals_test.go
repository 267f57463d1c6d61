package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/cli"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/service"
)

// asProgram makes the test's own binary be holdfastd, so that the service and
// the commands beside it are processes of their own.
const asProgram = "HOLDFASTD_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...) // the test's context ends before its clean-up asks the service to stop
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// holdfastd runs a command to its end and returns what it printed.
func holdfastd(args ...string) (out, errs string, err error) {
	var o, e bytes.Buffer
	cmd := program(args...)
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// serve starts a service in a process of its own and waits until it serves.
func serve(t *testing.T, dir string) {
	t.Helper()
	cmd := program("serve", "--data-dir", dir, "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0", "--advertise", "127.0.0.1")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve: %v\n%s", err, log.String())
		}
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if holdfast(t, dir, "login", "--admin-file", filepath.Join(dir, "admin.json")) == 0 {
			return
		}
	}
	t.Fatal("the service does not come up")
}

// holdfast runs the command line of people and returns its exit code.
func holdfast(t *testing.T, dir string, args ...string) int {
	t.Helper()
	c := &console.Console{In: strings.NewReader(""), Out: t.Output(), Err: t.Output(), ConfigPath: filepath.Join(dir, "config.yaml")}
	return cli.Run(context.Background(), c, "test", args)
}

func TestPrincipalsBesideARunningService(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	out, errs, err := holdfastd("principal", "create", "--data-dir", dir, "--name", "ci", "--role", "reader", "--scope", "/")
	if err != nil {
		t.Fatal(err, errs)
	}
	file := filepath.Join(dir, "ci.json")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if holdfast(t, dir, "login", "--admin-file", file, "--name", "ci") != 0 || holdfast(t, dir, "group", "list", "--context", "ci") != 0 {
		t.Error("the new service principal cannot sign in and read")
	}
	if holdfast(t, dir, "group", "create", "--context", "ci", "-n", "g", "-l", "local") == 0 {
		t.Error("a reader made something")
	}
	var made service.Admin
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	out, errs, err = holdfastd("principal", "list", "--data-dir", dir)
	if err != nil || !strings.HasPrefix(out, "NAME") || !strings.Contains(out, "ci         "+made.ClientID) || strings.Contains(out, made.ClientSecret) {
		t.Errorf("%v %s\n%s", err, errs, out)
	}
	if _, errs, err := holdfastd("principal", "delete", "--data-dir", dir, "--client-id", made.ClientID); err != nil {
		t.Error(err, errs)
	}
	if holdfast(t, dir, "group", "list", "--context", "ci") == 0 {
		t.Error("deleted and not out")
	}
	if _, errs, err := holdfastd("principal", "delete", "--data-dir", dir, "--name", "bootstrap"); err == nil || !strings.Contains(errs, "last Owner") {
		t.Error(err, errs)
	}
}

func TestPrincipalUsage(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"give one --scope for each --role":  {"create", "--name", "x", "--role", "Reader"},
		`required flag(s) "name" not set`:   {"create"},
		"give either --name or --client-id": {"delete"},
		"was the service ever started":      {"list"},
		"is --data-dir right":               {"create", "--name", "x"},
		`unknown command "x"`:               {"list", "x"},
	} {
		_, errs, err := holdfastd(append([]string{"principal", "--data-dir", dir}, args...)...)
		if err == nil || !strings.Contains(errs, want) {
			t.Errorf("%v: %v %s", args, err, errs)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Error("a refusal made files:", left)
	}
}
