package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// records is a recovery point in memory.
type records [][]byte

func (r records) Records(context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for i, raw := range r {
			if !yield(Record{Key: fmt.Sprint(i), JSON: raw}, nil) {
				return
			}
		}
	}
}

// shop reads testdata/shop.yaml.
func shop(t testing.TB) records {
	t.Helper()
	raw, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return documents(t, string(raw))
}

func documents(t testing.TB, text string) records {
	t.Helper()
	var all records
	for part := range strings.SplitSeq(text, "\n---\n") {
		encoded, err := yaml.YAMLToJSONStrict([]byte(part))
		if err != nil {
			t.Fatalf("%v in\n%s", err, part)
		}
		all = append(all, encoded)
	}
	return all
}

// shopVolumes is what the manifest says of the shop's claims.
var shopVolumes = []agentv1.Volume{
	{Namespace: "shop", Claim: "data-db-0", State: agentv1.VolumeProtected, Driver: "d.example.org", SnapshotHandle: "snap-1",
		VolumeMode: "Filesystem", SizeBytes: 2 << 30, RestoreSizeBytes: 1 << 30},
	{Namespace: "shop", Claim: "scratch", State: agentv1.VolumeSkipped, ReasonCode: "HostPathVolume"},
}

func archiveOf(t testing.TB, source Source, volumes []agentv1.Volume) *Archive {
	t.Helper()
	run := Run{Source: source, Volumes: volumes, Spec: agentv1.Restore{Selection: agentv1.Selection{LabelSelectors: []string{"a=b"}}}}
	archive, err := readArchive(t.Context(), run, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(archive.Close)
	return archive
}

func TestBodiesComeBackFromTheSpool(t *testing.T) {
	archive := archiveOf(t, shop(t), nil)
	if len(archive.Entries) < 40 {
		t.Fatalf("%d entries", len(archive.Entries))
	}
	for _, entry := range archive.Entries {
		body, err := archive.body(entry)
		if err != nil {
			t.Fatal(err)
		}
		if text(body, "metadata", "uid") != entry.UID || body["kind"] != entry.Kind {
			t.Fatalf("%s came back as %v", entry.Ref, body)
		}
	}
}

func TestSpoolShowsNoSecretsAndNoFile(t *testing.T) {
	dir := t.TempDir()
	spool, err := newSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer spool.close()
	at, err := spool.put([]byte("the password is swordfish"))
	if err != nil {
		t.Fatal(err)
	}
	if err := spool.flush(); err != nil {
		t.Fatal(err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Fatalf("the spool left %v in the folder", names)
	}
	raw := make([]byte, at.length)
	if _, err := spool.file.ReadAt(raw, at.offset); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("swordfish")) {
		t.Fatal("the spool holds plain text")
	}
	if _, err := spool.file.WriteAt([]byte{raw[0] ^ 1}, at.offset); err != nil {
		t.Fatal(err)
	}
	if _, err := spool.get(at); err == nil {
		t.Fatal("a changed spool was believed")
	}
}

func TestBadRecordsAreNamed(t *testing.T) {
	for _, bad := range []string{`[]`, `{`, `{"kind":"Pod"}`, `{"apiVersion":"v1","kind":"Pod","metadata":{}}`} {
		_, err := readArchive(t.Context(), Run{Source: records{[]byte(bad)}}, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), "record 0") {
			t.Errorf("%s: error %v", bad, err)
		}
	}
}

type brokenSource struct{}

var errBroken = errors.New("a block is damaged")

func (brokenSource) Records(context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { yield(Record{}, errBroken) }
}

func TestASourceThatFailsFailsTheRestore(t *testing.T) {
	if _, err := readArchive(t.Context(), Run{Source: brokenSource{}}, t.TempDir()); !errors.Is(err, errBroken) {
		t.Fatalf("error %v", err)
	}
}
