//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast.dev/holdfast/test/stand"
)

// replicate gives the service of the stand regions, the second with a folder as
// the store of its replicas, and starts it anew.
func (p *player) replicate(ts *testscript.TestScript, _ bool, _ []string) {
	west := filepath.Join(p.Dir, "west")
	ts.Check(os.RemoveAll(west))
	ts.Check(os.MkdirAll(west, 0o700))
	file := filepath.Join(p.Dir, "regions.yaml")
	text := fmt.Sprintf("regions:\n- name: %s\n  pairedRegion: west\n- name: west\n  replicaStore: {url: 'file://%s'}\n", stand.Region, west)
	ts.Check(os.WriteFile(file, []byte(text), 0o600))
	ts.Check(p.StopService(p.ctx))
	own := p.Stand
	ts.Defer(func() { own.Serve, own.VaultName = nil, "" })
	p.VaultName = "geo"
	p.Serve = []string{"--regions", file, "--replica-refresh", "2s"}
	ts.Check(p.StartService(p.ctx))
}

// wipe destroys the first region: service, catalog, stores and cluster. A copy of
// the key stays, and the store of the replicas, which is in the other region.
func (p *player) wipe(ts *testscript.TestScript, _ bool, _ []string) {
	kek, err := os.ReadFile(filepath.Join(p.DataDir(), "kek"))
	ts.Check(err)
	ts.Check(remove(p.ctx, p.Stand))
	ts.Check(os.WriteFile(filepath.Join(p.Dir, "kek"), kek, 0o600))
}

// second makes another stand in the other region, with a cluster and a service of
// its own that have nothing of the first but the replicas and the key. The script
// goes on there.
func (p *player) second(ts *testscript.TestScript, _ bool, _ []string) {
	first := p.Stand
	dir := first.Dir + "-west"
	ts.Check(os.MkdirAll(dir, 0o700))
	other, err := stand.New(stand.Options{Name: first.Name + "2", Dir: dir, Port: first.Port + 4, Log: first.Log})
	ts.Check(err)
	other.Location = "west"
	other.Serve = append([]string{"--key-provider", "file://" + filepath.Join(first.Dir, "kek")}, first.Serve...)
	p.Stand = other
	ts.Defer(func() {
		p.Stand = first
		if os.Getenv("HOLDFAST_KEEP") == "" {
			ts.Check(remove(p.ctx, other))
			ts.Check(os.RemoveAll(dir))
		}
	})
	ts.Check(remove(p.ctx, other))
	ts.Check(p.bringUp(other))
	id, err := other.ClusterID("west")
	ts.Check(err)
	ts.Setenv("SECOND", id)
}

// bringUp starts cluster and service, and connects the one to the other.
func (p *player) bringUp(s *stand.Stand) error {
	steps := []func() error{
		func() error { return s.StartCluster(p.ctx) },
		func() error { return s.LoadImages(p.ctx, s.Binary("holdfast-agent.tar")) },
		func() error { return s.StartService(p.ctx) },
		func() error {
			_, err := s.Holdfast(p.ctx, "login", "--admin-file", filepath.Join(s.DataDir(), "admin.json"))
			return err
		},
	}
	for _, c := range []string{
		"group create -n " + stand.Group + " -l west",
		"context set -g " + stand.Group + " --vault-name " + stand.Vault,
		"storage account create -n " + stand.Account + " -l west --sku Standard_LRS",
	} {
		steps = append(steps, func() error { _, err := s.Holdfast(p.ctx, strings.Fields(c)...); return err })
	}
	steps = append(steps, func() error { return s.Connect(p.ctx, "west") })
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
