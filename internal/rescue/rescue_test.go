package rescue_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/rescue"
	"holdfast.dev/holdfast/internal/rescue/rescuetest"
)

const id = "00112233445566778899aabbccddeeff"

func TestFind(t *testing.T) {
	store := &objstoretest.Memory{}
	for _, name := range []string{
		"a/b/repository", "a/b/keys/x", "a/b/packs/00/" + id, "a/b/manifests/" + id, "a/b/indexes/" + id,
		"lost/manifests/" + id, "lost/keys/y", "rubbish/packs/readme", "empty/keys/z", "other/file", "packs/repository",
	} {
		if err := store.Put(t.Context(), name, strings.NewReader("abc"), 3); err != nil {
			t.Fatal(err)
		}
	}
	got, err := rescue.Find(t.Context(), store, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []rescue.Place{{Prefix: "a/b/", Identity: true, Keys: 1, Manifests: 1, Packs: 1, Bytes: 3},
		{Prefix: "lost/", Keys: 1, Manifests: 1}, {Prefix: "packs/", Identity: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err := rescue.Find(t.Context(), store, "a/", nil); err != nil || len(got) != 1 {
		t.Errorf("below a prefix: %v %v", got, err)
	}
}

func TestParseObject(t *testing.T) {
	for text, want := range map[string]rescue.Filter{
		"Deployment/shop/web":                        {Kind: "Deployment", Namespace: "shop", Name: "web"},
		"deployments.apps/shop/web":                  {Kind: "deployments.apps", Namespace: "shop", Name: "web"},
		"Namespace/shop":                             {Kind: "Namespace", Name: "shop"},
		"apps/Deployment/shop/web":                   {Kind: "apps/Deployment", Namespace: "shop", Name: "web"},
		"rbac.authorization.k8s.io/ClusterRole/view": {Kind: "rbac.authorization.k8s.io/ClusterRole", Name: "view"},
		"ClusterRole/system:controller":              {Kind: "ClusterRole", Name: "system:controller"},
		"":                                           {}, "a": {}, "/a": {}, "a//b": {}, "a/b/c/d/e": {}, "a/": {},
	} {
		got, err := rescue.ParseObject(text)
		if (want == rescue.Filter{}) != (err != nil) || err == nil && got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
}

func TestChoose(t *testing.T) {
	stored := repo.Manifest{Streams: []repo.StreamRef{{Type: repo.TypeVolume}}}
	points := []rescue.Point{{ID: "aa1"}, {ID: "aa2", Err: repo.ErrDamaged}, {ID: "aa1", Manifest: stored}}
	if got, err := rescue.Choose(points, "AA1"); err != nil || len(got.Streams) != 1 {
		t.Errorf("the one with data: %+v %v", got, err)
	}
	for name, want := range map[string]error{"b": repo.ErrNoRecoveryPoint, "aa2": repo.ErrDamaged} {
		if _, err := rescue.Choose(points, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rescue.Choose(points, "aa"); err == nil || !strings.Contains(err.Error(), "write more of the id") {
		t.Errorf("ambiguous: %v", err)
	}
}

func TestClean(t *testing.T) {
	_, raw := rescuetest.Deployment("n", "d")
	got, err := rescue.Clean([]byte(raw))
	if want := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"app":"d"},"name":"d","namespace":"n"},"spec":{"replicas":3}}`; err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
	if _, err := rescue.Clean([]byte("{")); err == nil {
		t.Error("took half an object")
	}
}

func openPoint(t *testing.T, b *rescuetest.Bucket) (*rescue.Opened, rescue.Point) {
	t.Helper()
	provider, err := keys.OpenFile(b.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	places, err := rescue.Find(t.Context(), b.Store, "", nil)
	if err != nil || len(places) != 1 {
		t.Fatal(places, err)
	}
	opened, err := rescue.Open(t.Context(), b.Store, places[0], rescue.Wrapped(provider))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	points, err := opened.Points(t.Context())
	if err != nil || len(points) != 1 {
		t.Fatal(points, err)
	}
	return opened, points[0]
}

func TestDeviceReadsAnywhere(t *testing.T) {
	b := rescuetest.New(t)
	image := rescuetest.Image(t, map[string]string{"f": strings.Repeat("x", 100_000)})
	if err := os.Truncate(image, 16<<20+1000); err != nil { // ends within a block
		t.Fatal(err)
	}
	rescuetest.Write(t, b.Repository(t, "r/"+id+"/", id, "k"), rescuetest.Content{
		Manifest: rescuetest.Manifest(id, "i", time.Unix(1, 0), "n"), Images: map[string]string{"n/data": image}})
	opened, point := openPoint(t, b)
	if opened.KeyName != "k" || len(opened.Notes) != 0 {
		t.Errorf("%+v", opened)
	}
	want, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := point.Volume(t.Context(), "n/data")
	if err != nil {
		t.Fatal(err)
	}
	device := rescue.NewDevice(t.Context(), v)
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.Int64Range(0, device.Size()+10).Draw(t, "offset")
		p := make([]byte, rapid.IntRange(0, 300_000).Draw(t, "length"))
		_, _ = rand.NewChaCha8([32]byte{}).Read(p)
		n, err := device.ReadAt(p, offset)
		expected := want[min(offset, int64(len(want))):min(offset+int64(len(p)), int64(len(want)))]
		if !bytes.Equal(p[:n], expected) || (n < len(p)) != errors.Is(err, io.EOF) {
			t.Fatalf("%d bytes of %d at %d: %v", n, len(p), offset, err)
		}
	})
	if _, err := device.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("read before the start")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for offset := int64(0); offset < device.Size(); offset += 1 << 20 { // what is in memory, and what is not
		if _, err := rescue.NewDevice(ended, v).ReadAt(make([]byte, 4096), offset); !errors.Is(err, context.Canceled) {
			t.Errorf("at %d after the end of the context: %v", offset, err)
		}
	}
}

// torn is a file of which a part cannot be read.
type torn struct {
	content  []byte
	from, to int64
	err      error
}

func (f torn) ReadAt(p []byte, at int64) (int, error) {
	if at < f.to && at+int64(len(p)) > f.from {
		return 0, f.err
	}
	return bytes.NewReader(f.content).ReadAt(p, at)
}

func TestCopyGivesWhatIsWhole(t *testing.T) {
	content := bytes.Repeat([]byte("abcdefgh"), 400_000)
	var out bytes.Buffer
	lost, err := rescue.Copy(&out, torn{content, 1_500_000, 1_510_000, repo.ErrDamaged}, int64(len(content)), nil)
	if err != nil {
		t.Fatal(err)
	}
	const from, to = 1_500_000 &^ 4095, (1_510_000 + 4095) &^ 4095
	if diff := cmp.Diff([]rescue.LostRange{{From: from, To: to}}, lost, cmpopts.IgnoreFields(rescue.LostRange{}, "Err")); diff != "" {
		t.Error(diff)
	}
	clear(content[from:to])
	if !bytes.Equal(out.Bytes(), content) {
		t.Error("something else is lost")
	}
	refused := errors.New("refused")
	if _, err := rescue.Copy(io.Discard, torn{content, 0, 1, refused}, int64(len(content)), nil); !errors.Is(err, refused) {
		t.Errorf("of the store: %v", err)
	}
}
