// Package postgres runs a real PostgreSQL for tests and benchmarks: a server of
// Debian's package in a folder and on a port of its own, as a user without
// rights, because PostgreSQL refuses to run as root. What it keeps is gone when
// it is stopped.
package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx of database/sql
)

// startTime bounds the wait for the server's first answer, on a busy machine.
const startTime = 2 * time.Minute

// Server is a running PostgreSQL.
type Server struct {
	Dir  string // its folder: data and log
	port int
	cmd  *exec.Cmd
	end  chan struct{} // closed when the process has ended
	made atomic.Int64  // databases
}

// Options say how the server treats what it stores.
type Options struct {
	// Durable waits for the disk at each commit, as in production. Tests need not.
	Durable bool
	// Settings are set beside, such as max_connections=200.
	Settings []string
}

// Start starts a server. End it with Stop.
func Start(ctx context.Context, o Options) (s *Server, err error) {
	programs, err := programs(ctx)
	if err != nil {
		return nil, err
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	// Below the system's temporary folder, which everybody may pass through.
	dir, err := os.MkdirTemp("", "holdfast-postgres-")
	if err != nil {
		return nil, err
	}
	s = &Server{Dir: dir}
	if who != nil {
		err = os.Chown(dir, int(who.Uid), int(who.Gid))
	}
	if err == nil {
		err = s.initialise(ctx, programs, who)
	}
	for attempt := 0; err == nil && attempt < 5; attempt++ {
		if err = s.run(ctx, programs, who, o); err == nil {
			return s, nil
		}
		// A free port may be taken by another before the server has it.
		if !errors.Is(err, errEnded) {
			break
		}
		if attempt < 4 {
			err = nil
		}
	}
	return nil, errors.Join(err, s.Stop())
}

var errEnded = errors.New("the server ended before it answered")

// programs is where the server's programs are, installed by the script if need be.
func programs(ctx context.Context) (string, error) {
	module, err := output(exec.CommandContext(ctx, "go", "env", "GOMOD"))
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return output(exec.CommandContext(ctx, filepath.Join(filepath.Dir(module), "scripts", "postgres.sh")))
}

func output(cmd *exec.Cmd) (string, error) {
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, errs.Bytes())
	}
	return string(bytes.TrimSpace(out)), nil
}

// account is the user that the server runs as when we are root; else nil.
func account() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres") // of the package
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

func (s *Server) initialise(ctx context.Context, programs string, who *syscall.Credential) error {
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "initdb"), "-D", s.data(), "-U", "postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.Dir, &syscall.SysProcAttr{Credential: who}
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, said)
	}
	return nil
}

// run starts the server and waits until it answers.
func (s *Server) run(ctx context.Context, programs string, who *syscall.Credential, o Options) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200"}
	if !o.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	for _, setting := range o.Settings {
		args = append(args, "-c", setting)
	}
	log, err := os.Create(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(programs, "postgres"), args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.Dir, log, log
	// It must not outlive a test that is killed.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Pdeathsig: syscall.SIGQUIT}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.end = make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // how it ended is in the log
		close(s.end)
	}()
	return s.ready(ctx)
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		// Another server may have taken the port first.
		var folder string
		if err = db.QueryRowContext(ctx, "SHOW data_directory").Scan(&folder); err == nil && folder == s.data() {
			return nil
		}
		select {
		case <-s.end:
			said, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
			return fmt.Errorf("%w:\n%s", errEnded, said)
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// Database makes an empty database and returns its URL. The order of letters of
// its language is not that of their bytes.
func (s *Server) Database(ctx context.Context) (string, error) {
	name := fmt.Sprintf("d%d", s.made.Add(1))
	err := s.exec(ctx, "postgres", `CREATE DATABASE `+name+` TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C.UTF-8'`)
	return s.url(name), err
}

// Schema makes an empty schema in a database that Database returned, and returns
// a URL by which nothing else is seen: a database for a test, made in no time.
func (s *Server) Schema(ctx context.Context, database string) (string, error) {
	name := fmt.Sprintf("s%d", s.made.Add(1))
	db, err := sql.Open("pgx", database)
	if err != nil {
		return "", err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `CREATE SCHEMA `+name); err != nil {
		return "", fmt.Errorf("create a schema: %w", err)
	}
	return database + "&search_path=" + name, nil
}

func (s *Server) exec(ctx context.Context, database, statement string) error {
	db, err := sql.Open("pgx", s.url(database))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// PID is the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop ends the server, without regard for its clients, and removes its folder.
func (s *Server) Stop() error {
	var err error
	if s.cmd != nil && s.cmd.Process != nil {
		if err = s.cmd.Process.Signal(syscall.SIGQUIT); errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		if err == nil {
			<-s.end
		}
	}
	return errors.Join(err, os.RemoveAll(s.Dir))
}
