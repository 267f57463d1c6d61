package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/gate"
	"holdfast.dev/holdfast/internal/workflow"
)

const gatedPack = "packs/00/00112233445566778899aabbccddeeff"

// A mover writes into the vaults of a running service, over the address that
// agents call, for as long as its operation lives.
func TestMoverWritesThroughTheService(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{DataDir: dir, Listen: "127.0.0.1:0", AgentListen: "127.0.0.1:0", Advertise: []string{"127.0.0.1"},
		Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	grant := grantOf(t, s, "op")
	if _, err := gate.Open(ctx, grant, gate.Options{}); !errors.Is(err, gate.ErrGrant) {
		t.Errorf("before there is an operation: %v", err)
	}
	grant = grantOf(t, s, "op2") // what was told of the first is believed for a while
	post(t, s, "op2")
	mover, err := gate.Open(ctx, grant, gate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mover.Close()
	content := bytes.Repeat([]byte("x"), 16<<20)
	if err := mover.Put(ctx, gatedPack, bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if stored, err := os.ReadFile(filepath.Join(dir, "vaults", "vaults/v/r", gatedPack)); err != nil || !bytes.Equal(stored, content) {
		t.Errorf("stored %d bytes, %v", len(stored), err)
	}
	body, err := mover.Get(ctx, gatedPack, 1, 5)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != "xxxxx" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	body.Close()
	if err := mover.Put(ctx, "keys/service", strings.NewReader("x"), 1); !errors.Is(err, objstore.ErrForbidden) {
		t.Errorf("a wrapped key: %v", err)
	}
}

func TestAliveOperations(t *testing.T) {
	d, err := openData(t.Context(), Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.db.Close()
	clk := clock.NewManual(time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC))
	s := &Service{data: d, Options: Options{Clock: clk}}
	alive := func(id string) bool {
		t.Helper()
		alive, err := gateOperations{d.store, clk}.Alive(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return alive
	}
	if alive("unknown") {
		t.Error("an unknown operation is alive")
	}
	for name, end := range map[string]func(catalog.Tx) error{
		"called off": func(tx catalog.Tx) error { return agentops.Cancel(tx, clk.Now(), "called off") },
		"given up":   func(tx catalog.Tx) error { return agentops.GiveUp(tx, clk.Now(), "given up", agentv1.Problem{}) },
		"late":       func(catalog.Tx) error { clk.Advance(2 * time.Hour); return nil },
	} {
		post(t, s, name)
		if !alive(name) {
			t.Errorf("%s: not alive before", name)
		}
		if err := d.store.Update(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		if alive(name) {
			t.Errorf("%s: alive", name)
		}
	}
}

func post(t *testing.T, s *Service, id string) {
	t.Helper()
	err := s.store.Update(t.Context(), func(tx catalog.Tx) error {
		_, err := agentops.Post(tx, s.Clock.Now(), agentops.Operation{ID: id, ClusterID: "/c", Role: agentv1.RoleExtension,
			Kind: agentv1.KindBackup, Deadline: s.Clock.Now().Add(time.Hour)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// grantOf issues a grant as the service does, by the keys in its directory.
func grantOf(t *testing.T, s *Service, operation string) agentv1.GateGrant {
	t.Helper()
	_, issuer, err := s.newGate(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := issuer.Grant(grants.Grant{Operation: operation, Cluster: "/c", Store: workflow.VaultStore, Prefix: "vaults/v/r/", Rights: grants.Append})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestGrantKeysAreReplaced(t *testing.T) {
	dir, clk := t.TempDir(), clock.NewManual(time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC))
	load := func() []grants.Key {
		t.Helper()
		keys, err := loadGrantKeys(dir, clk)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	first := load()
	clk.Advance(29 * 24 * time.Hour)
	if again := load(); len(again) != 1 || !bytes.Equal(again[0].Secret, first[0].Secret) {
		t.Fatalf("after 29 days: %d keys", len(again))
	}
	clk.Advance(24 * time.Hour)
	replaced := load()
	if len(replaced) != 2 || replaced[1].ID != first[0].ID || bytes.Equal(replaced[0].Secret, first[0].Secret) {
		t.Fatalf("after 30 days: %d keys", len(replaced))
	}
	clk.Advance(time.Hour)
	if still := load(); len(still) != 2 {
		t.Errorf("an hour later: %d keys", len(still))
	}
	clk.Advance(time.Second)
	if last := load(); len(last) != 1 || last[0].ID != replaced[0].ID {
		t.Errorf("when no grant of the old one lives: %d keys", len(last))
	}
	info, err := os.Stat(filepath.Join(dir, grantKeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(dir, grantKeyFile), []byte(`[{"secret":"c2VjcmV0`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadGrantKeys(dir, clk); err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("a damaged file: %v", err)
	}
}
