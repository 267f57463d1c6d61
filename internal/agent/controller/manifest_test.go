package controller

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/collect"
	"holdfast.dev/holdfast/internal/agent/snapshot"
	"holdfast.dev/holdfast/internal/repo"
)

// A result that is read back from the manifest, after a crash, is the one that
// was reported without it.
func TestResultSurvivesTheManifest(t *testing.T) {
	early := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	volumes := []agentv1.Volume{
		{Namespace: "a", Claim: "x", State: agentv1.VolumeProtected, Driver: "d", SnapshotHandle: "h", SnapshotClass: "c",
			StorageClass: "s", VolumeMode: "Block", FSType: "xfs", SizeBytes: 5, RestoreSizeBytes: 6, CutAt: early},
		{Namespace: "a", Claim: "y", State: agentv1.VolumeProtected, SnapshotHandle: "i", CutAt: early.Add(time.Second)},
		{Namespace: "a", Claim: "z", State: agentv1.VolumeSkipped, ReasonCode: "C", Reason: "because"},
	}
	b := &backup{
		worker: &worker{}, journal: &journal{}, spec: agentv1.Backup{RecoveryPointID: "id", InstanceID: "instance", Keep: "kept"},
		namespaces: []string{"a-b", "a"}, startedAt: early.Add(time.Hour),
		stream:    repo.StreamRef{Name: ObjectsStream, Type: repo.TypeArchive, Records: 12},
		collected: collect.Summary{Kinds: []collect.Kind{{Resource: collect.Resource{Kind: "K"}, Revisions: []string{"1", "2"}}}},
	}
	for _, v := range volumes {
		b.items = append(b.items, snapshot.Item{Volume: v})
	}
	warning := agentv1.Warning{Resource: "r", Problem: agentv1.Problem{Code: "C", Message: "m", Target: "r", Actions: []string{"a"}}}
	b.journal.warn(warning)
	m := b.manifest(99)
	want := &agentv1.BackupResult{RecoveryPointID: "id", CutAt: early, Objects: 12, BytesStored: 99,
		Namespaces: []string{"a", "a-b"}, Volumes: volumes}
	if diff := cmp.Diff(want, resultOf(m)); diff != "" {
		t.Error(diff)
	}
	if m.Kinds[0].ResourceVersion != "1,2" || m.Instance != "instance" || m.Facts[agentv1.FactKept] != "kept" {
		t.Errorf("%+v", m)
	}
	if diff := cmp.Diff([]agentv1.Warning{warning}, warningsOf(m)); diff != "" {
		t.Error(diff)
	}
}

func TestCutMoment(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	skipped := agentv1.Volume{State: agentv1.VolumeSkipped, CutAt: at.Add(-time.Hour)}
	cut := agentv1.Volume{State: agentv1.VolumeProtected, CutAt: at.Add(-time.Minute)}
	unknown := agentv1.Volume{State: agentv1.VolumeProtected}
	if got := cutMoment([]agentv1.Volume{skipped, unknown}, at); !got.Equal(at) {
		t.Errorf("without volumes: %s", got)
	}
	if got := cutMoment([]agentv1.Volume{skipped, unknown, cut}, at); !got.Equal(cut.CutAt) {
		t.Errorf("with one: %s", got)
	}
}

func TestRepositoryID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	if got := repositoryID("vault/" + id + "/"); got != id {
		t.Errorf("got %s", got)
	}
	if got := repositoryID("r/"); len(got) != 32 || got != repositoryID("r/") || got == repositoryID("s/") {
		t.Errorf("got %s", got)
	}
}

func TestLocationFileNeverQuotesTheKey(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, `{"url":"file:///b","account":"a","key":"S3CRET"}`)
	location, err := LocationFile(file)()
	if err != nil || location.URL != "file:///b" || location.Key != "S3CRET" {
		t.Errorf("%v %v", location, err)
	}
	for _, bad := range []string{`{"key":"S3CRET"`, `"S3CRET"`, `{"url":7,"key":"S3CRET"}`} {
		_, err := LocationFile(write(t, dir, bad))()
		if err == nil || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := LocationFile(dir + "/none")(); err == nil {
		t.Error("a missing file was accepted")
	}
}

func write(t *testing.T, dir, content string) string {
	t.Helper()
	file := filepath.Join(dir, "location.json")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
