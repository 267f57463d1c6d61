package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// outcome is what a process took.
type outcome struct {
	seconds float64 // from its start to its end
	cpu     float64 // seconds
	rss     int64   // bytes, the most it ever held
	stored  int64   // bytes it added to its repository, where that is measured
}

// timed runs a process to its end.
func timed(cmd *exec.Cmd) (outcome, error) {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	start := time.Now()
	err := cmd.Start()
	var o outcome
	if err == nil {
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		o.rss, err = watch(cmd.Process.Pid, done)
	}
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(output.String()))
	}
	o.seconds = time.Since(start).Seconds()
	o.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return o, nil
}

// watch asks for a process's peak memory until it is done. What the system says
// of a process that has ended would include that of its parent.
func watch(pid int, done <-chan error) (int64, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var rss int64
	for {
		select {
		case err := <-done:
			return rss, err
		case <-tick.C:
			if now, err := peakMemory(strconv.Itoa(pid)); err == nil { // it may just have ended
				rss = max(rss, now)
			}
		}
	}
}

// do does a task in a process of its own.
func (t task) do(ctx context.Context, profile string) (outcome, error) {
	program, err := os.Executable()
	if err != nil {
		return outcome{}, err
	}
	input, err := json.Marshal(t)
	if err != nil {
		return outcome{}, err
	}
	cmd := exec.CommandContext(ctx, program, "-task", "-profile", profile)
	cmd.Stdin = bytes.NewReader(input)
	return timed(cmd)
}

// level makes everybody begin alike: all of these files, or those of these
// folders, are in the system's memory, or, when cold, none is.
func level(cold bool, paths ...string) error {
	unix.Sync() // what is still to be written would disturb, and cannot be forgotten
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			file, err := os.Open(name)
			if err != nil {
				return err
			}
			defer file.Close()
			if cold {
				return unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
			}
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{file}, make([]byte, 1<<20))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// storedIn is how many bytes the files of a folder have.
func storedIn(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// twin makes a folder that holds the same files, without copying: nobody
// changes the objects of a repository.
func twin(dir, name string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(name, rel), 0o700)
		}
		return os.Link(path, filepath.Join(name, rel))
	})
}

// peer is another tool, and a repository of its.
type peer struct {
	name   string
	dir    string // its repository
	env    []string
	init   []string
	backup func(path string, number int, force bool) []string
	// restore restores the newest backup into a folder.
	restore func(into string) []string
}

func restic(dir, name string) *peer {
	repository := filepath.Join(dir, name)
	return &peer{name: name, dir: repository,
		env:  []string{"RESTIC_REPOSITORY=" + repository, "RESTIC_PASSWORD=bench", "RESTIC_CACHE_DIR=" + filepath.Join(dir, name+"-cache")},
		init: []string{"restic", "init", "-q"},
		backup: func(path string, _ int, force bool) []string {
			if force {
				return []string{"restic", "backup", "-q", "--force", path}
			}
			return []string{"restic", "backup", "-q", path}
		},
		restore: func(into string) []string { return []string{"restic", "restore", "-q", "latest", "--target", into} }}
}

func borg(dir, name string) *peer {
	repository := filepath.Join(dir, name)
	return &peer{name: name, dir: repository,
		env: []string{"BORG_REPO=" + repository, "BORG_PASSPHRASE=bench", "BORG_BASE_DIR=" + filepath.Join(dir, name+"-cache"),
			"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes", "LC_ALL=C.UTF-8"},
		init: []string{"borg", "init", "-e", "repokey-blake2"},
		backup: func(path string, number int, _ bool) []string {
			return []string{"borg", "create", "--compression", "zstd,3", fmt.Sprintf("::p%d", number), path}
		}}
}

func (p *peer) run(ctx context.Context, dir string, args []string) (outcome, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), p.env...)
	return timed(cmd)
}

//go:embed prerequisites.sh
var prerequisites string

// install installs what is missing of the tools that ours is compared with.
func install(ctx context.Context) error {
	return run(ctx, "bash", "-c", prerequisites)
}
