package main

import (
	"context"
	"os"
	"path/filepath"

	"holdfast.dev/holdfast/test/stand"
)

// second is the name of the cluster of the second act.
const second = "demo2"

// secondAct loses everything but the vault, and goes on in another cluster.
func (d *demo) secondAct() []step {
	return []step{
		{"back up into the vault", d.backupToVault},
		{"lose cluster, snapshots and operational container", d.lose},
		{"a second cluster", d.secondCluster},
		{"connect it, declare the extension", d.connectSecond},
		{"restore from the vault", d.restoreFromVault},
	}
}

func (d *demo) backupToVault(ctx context.Context) error {
	return d.job(ctx, "backup", "shop", "--retention-tag", "Vault")
}

// lose ends the cluster, with its driver's snapshots, and the container.
func (d *demo) lose(ctx context.Context) error {
	if err := d.StopCluster(ctx); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(d.DataDir(), "storage", stand.Account, "demo"))
}

func (d *demo) secondCluster(ctx context.Context) error {
	d.Name = second
	if err := d.StartCluster(ctx); err != nil {
		return err
	}
	return d.images(ctx)
}

func (d *demo) connectSecond(ctx context.Context) error {
	if err := d.Connect(ctx, second); err != nil {
		return err
	}
	return d.AllowVault(ctx, second)
}

func (d *demo) restoreFromVault(ctx context.Context) error {
	if err := d.job(ctx, "restore", "shop", "--from", "vault", "--cluster", second); err != nil {
		return err
	}
	return d.ready(ctx)
}
