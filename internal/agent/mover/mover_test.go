package mover_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

const (
	first  = "00000000000000000000000000000001"
	second = "00000000000000000000000000000002"
)

// vault is a repository behind a real gate.
type vault struct {
	*testing.T
	grant agentv1.RepositoryGrant
	gate  *gatetest.World
}

func newVault(t *testing.T) *vault {
	t.Helper()
	store := &objstoretest.Memory{}
	key, _ := repo.ParseKey(bytes.Repeat([]byte{5}, 32))
	if err := repo.Create(t.Context(), objstore.Sub(store, gatetest.Prefix), key, repo.CreateOptions{ID: "00112233445566778899aabbccddeeff"}); err != nil {
		t.Fatal(err)
	}
	g := gatetest.New(t, store, gatetest.Options{})
	return &vault{t, agentv1.RepositoryGrant{Prefix: gatetest.Prefix, Key: key[:]}, g}
}

// run carries an order out on a file in place of a device.
func (v *vault) run(order mover.Order) (mover.Report, error) {
	return v.runTelling(order, func(agentv1.Progress) {})
}

// runTelling is the same to one who wants to know how far it is.
func (v *vault) runTelling(order mover.Order, report func(agentv1.Progress)) (mover.Report, error) {
	usual := gatetest.Usual()
	usual.RecoveryPoint = order.RecoveryPoint
	grant := v.gate.Grant(usual)
	order.Repository = v.grant
	order.Repository.Gate = &grant
	return mover.Run(v.Context(), order, report)
}

// commit writes the manifest that the controller would write.
func (v *vault) commit(point string, streams ...repo.StreamRef) {
	v.Helper()
	key, _ := repo.ParseKey(v.grant.Key)
	r, err := repo.Open(v.Context(), objstore.Sub(v.gate.Store, gatetest.Prefix), key)
	if err != nil {
		v.Fatal(err)
	}
	defer r.Close()
	w, err := r.NewWriter(v.Context(), repo.WriterOptions{RecoveryPoint: point})
	if err != nil {
		v.Fatal(err)
	}
	defer w.Close()
	if err := w.Commit(v.Context(), repo.Manifest{Streams: streams}); err != nil {
		v.Fatal(err)
	}
}

// image is a file of 24 MiB with data in its first and last quarter.
func image(t *testing.T) (path string, content []byte) {
	t.Helper()
	content = make([]byte, 24<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(content[:6<<20])
	_, _ = random.Read(content[18<<20:])
	return store(t, content), content
}

func store(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "device")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSaveAndLoad(t *testing.T) {
	v := newVault(t)
	device, content := image(t)
	saved, err := v.run(mover.Order{Task: mover.Save, RecoveryPoint: first, Stream: "volumes/a/b", Device: device})
	if err != nil || saved.Stream == nil || saved.BytesStored < 12<<20 || saved.How == "" {
		t.Fatalf("%+v, %v", saved, err)
	}
	v.commit(first, *saved.Stream)

	again, err := v.run(mover.Order{Task: mover.Save, RecoveryPoint: second, Stream: "volumes/a/b", Device: device,
		Base: &mover.Base{RecoveryPoint: first, Stream: "volumes/a/b"}})
	if err != nil || again.Stream.Root != saved.Stream.Root || again.BytesStored > 1<<10 {
		t.Fatalf("the same again: %+v, %v", again, err)
	}

	rubbish := bytes.Repeat([]byte{0xee}, 24<<20)
	target := store(t, rubbish)
	var told []agentv1.Progress
	loaded, err := v.runTelling(mover.Order{Task: mover.Load, RecoveryPoint: first, Stream: "volumes/a/b", Device: target},
		func(p agentv1.Progress) { told = append(told, p) })
	if err != nil || loaded.BytesRead != 12<<20 {
		t.Fatalf("%+v, %v", loaded, err)
	}
	for i, p := range told { // the holes in between are known before anything is written
		if p.BytesTotal != 12<<20 || p.BytesDone > p.BytesTotal || i > 0 && p.BytesDone < told[i-1].BytesDone {
			t.Fatalf("told %+v", told)
		}
	}
	if last := told[len(told)-1]; last.BytesDone != last.BytesTotal {
		t.Errorf("told at last %+v", last)
	}
	if got, _ := os.ReadFile(target); !bytes.Equal(got, content) {
		t.Error("the device does not hold what was saved")
	}
}

// A base that is gone makes more work, and the same stream.
func TestSaveWithoutItsBase(t *testing.T) {
	v := newVault(t)
	device, _ := image(t)
	report, err := v.run(mover.Order{Task: mover.Save, RecoveryPoint: second, Stream: "s", Device: device, Base: &mover.Base{RecoveryPoint: first, Stream: "s"}})
	if err != nil || report.Stream == nil {
		t.Fatalf("%+v, %v", report, err)
	}
}

// A mover that was killed and started again sends nothing twice.
func TestSaveAfterAKill(t *testing.T) {
	v := newVault(t)
	device, _ := image(t)
	order := mover.Order{Task: mover.Save, RecoveryPoint: first, Stream: "s", Device: device}
	if _, err := v.run(order); err != nil {
		t.Fatal(err)
	}
	report, err := v.run(order)
	if err != nil || report.BytesStored > 1<<10 {
		t.Fatalf("%+v, %v", report, err)
	}
}

func TestProblems(t *testing.T) {
	v := newVault(t)
	device, _ := image(t)
	saved, err := v.run(mover.Order{Task: mover.Save, RecoveryPoint: first, Stream: "s", Device: device})
	if err != nil {
		t.Fatal(err)
	}
	v.commit(first, *saved.Stream)
	null := "/dev/null" // a device, but not one of blocks
	cases := map[string]struct {
		order mover.Order
		code  string
	}{
		"no device":         {mover.Order{Task: mover.Save, RecoveryPoint: second, Stream: "s", Device: device + "x"}, mover.CodeDevice},
		"not a volume":      {mover.Order{Task: mover.Load, RecoveryPoint: first, Stream: "s", Device: null}, mover.CodeDevice},
		"no recovery point": {mover.Order{Task: mover.Load, RecoveryPoint: second, Stream: "s", Device: device}, mover.CodeMove},
		"no stream":         {mover.Order{Task: mover.Load, RecoveryPoint: first, Stream: "t", Device: device}, mover.CodeMove},
		"unknown task":      {mover.Order{Task: "burn", RecoveryPoint: first, Stream: "s", Device: device}, mover.CodeMove},
	}
	for name, c := range cases {
		report, err := v.run(c.order)
		if err == nil || report.Problem == nil || report.Problem.Code != c.code || len(report.Problem.Actions) == 0 {
			t.Errorf("%s: %+v, %v", name, report.Problem, err)
		}
	}
	bad := v.grant
	bad.Gate = &agentv1.GateGrant{URL: v.gate.URL, CA: v.gate.CA, Token: "x", Seconds: 60}
	report, err := mover.Run(t.Context(), mover.Order{Task: mover.Save, Repository: bad, RecoveryPoint: second, Stream: "s", Device: device},
		func(agentv1.Progress) {})
	if err == nil || report.Problem.Code != mover.CodeGate {
		t.Errorf("a bad grant: %+v, %v", report.Problem, err)
	}
}

func TestCancelledSave(t *testing.T) {
	v := newVault(t)
	device, _ := image(t)
	ctx, cancel := context.WithCancel(t.Context())
	grant := v.gate.Grant(gatetest.Usual())
	v.grant.Gate = &grant
	_, err := mover.Run(ctx, mover.Order{Task: mover.Save, Repository: v.grant, RecoveryPoint: gatetest.Usual().RecoveryPoint, Stream: "s", Device: device},
		func(agentv1.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A report is what Kubernetes keeps of it, whatever it says.
func TestReportFits(t *testing.T) {
	long := mover.Report{How: strings.Repeat("h", 5000), Problem: &agentv1.Problem{Code: "C", Message: strings.Repeat("m", 9000)}}
	raw, err := long.Encode()
	var back mover.Report
	if err != nil || len(raw) > 4096 || json.Unmarshal(raw, &back) != nil || back.Problem.Code != "C" {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}

func TestOrderIsNeverQuoted(t *testing.T) {
	path := store(t, []byte(`{"repository":{"key":"S3CRET"}`))
	if _, err := mover.ReadOrder(path); err == nil || strings.Contains(err.Error(), "S3CRET") {
		t.Errorf("%v", err)
	}
}
