package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"holdfast.dev/holdfast/test/devcluster/build"
)

const poolSize = 40 << 30 // sparse: takes only what volumes really hold

// Parts is what a cluster is made of, all in the build cache.
type Parts struct {
	Programs map[string]string // binary by name
	CRDs     string            // snapshot definitions
	Images   []string          // docker-archives loaded at the start
}

// Up starts the cluster unless it runs already and waits until everything in
// it is ready. Data of a node that was killed is kept and used again.
func (c *Cluster) Up(ctx context.Context, parts Parts, show *build.Progress) error {
	unlock, err := c.registry.Lock(c.Name)
	if err != nil {
		return err
	}
	defer unlock()
	pid, err := c.Pid()
	if err != nil {
		return err
	}
	if pid != 0 {
		// A node that was just killed may look alive for a moment.
		if err := c.populate(ctx, pid, parts, show); !errors.Is(err, errEnded) {
			return err
		}
	}
	if pid, err = c.boot(ctx, parts, show); err != nil {
		return err
	}
	return c.populate(ctx, pid, parts, show)
}

// boot prepares the state directory and starts the node.
func (c *Cluster) boot(ctx context.Context, parts Parts, show *build.Progress) (pid int, err error) {
	done := show.Step("starting node " + c.NodeName())
	defer func() { done(err) }()
	if err := c.sweep(ctx); err != nil {
		return 0, fmt.Errorf("clean up after the last run: %w", err)
	}
	if err := c.ForgetRunning(); err != nil {
		return 0, err
	}
	if err := c.WriteFiles(); err != nil {
		return 0, err
	}
	if err := c.certificates().Write(c.PKI()); err != nil {
		return 0, err
	}
	if err := c.placePrograms(parts.Programs); err != nil {
		return 0, err
	}
	if err := c.makePool(ctx); err != nil {
		return 0, err
	}
	if err := c.makeCgroups(); err != nil {
		return 0, err
	}
	return c.start(ctx)
}

// placePrograms puts the binaries into the state directory, where the node
// finds them whatever becomes of the cache. This program is one of them.
func (c *Cluster) placePrograms(programs map[string]string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bin := filepath.Join(c.Dir, "bin")
	if err := os.RemoveAll(bin); err != nil {
		return err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := place(self, filepath.Join(bin, "devcluster")); err != nil {
		return err
	}
	for name, path := range programs {
		if err := place(path, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

// place links source to target, or copies it where links are not possible.
func place(source, target string) error {
	if err := os.Link(source, target); err == nil {
		return nil
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// makePool makes the file all volumes live in, formatted for copies that share
// their blocks.
func (c *Cluster) makePool(ctx context.Context) error {
	if _, err := os.Stat(c.PoolImage()); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temporary := c.PoolImage() + ".new"
	if err := os.WriteFile(temporary, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(temporary, poolSize); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "mkfs.xfs", "-q", "-f", "-m", "reflink=1", temporary).CombinedOutput(); err != nil {
		return fmt.Errorf("format the pool: %w: %s", err, out)
	}
	return os.Rename(temporary, c.PoolImage())
}
