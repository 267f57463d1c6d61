// Package rescuetest makes buckets as they are left behind when service,
// catalog and cluster are gone: for the tests of those who rescue from them.
package rescuetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
)

// Bucket is a folder with repositories, and the key file that opens them.
type Bucket struct {
	Dir, KeyFile string
	Store        objstore.Store
	ring         *keys.Ring
}

// New makes an empty bucket and a key file.
func New(t testing.TB) *Bucket {
	t.Helper()
	b := &Bucket{Dir: t.TempDir(), KeyFile: filepath.Join(t.TempDir(), "kek")}
	provider, err := keys.OpenFile(b.KeyFile)
	if err == nil {
		b.ring = keys.NewRing(catalogtest.NewMemory(), provider)
		b.Store, err = location.Open(t.Context(), location.Location{URL: b.URL()})
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// URL is the bucket's as location has it.
func (b *Bucket) URL() string { return "file://" + b.Dir }

// Repository makes the repository with the id, below the prefix, whose wrapped
// key lies beside its data under the given name.
func (b *Bucket) Repository(t testing.TB, prefix, id, keyName string) *repo.Repository {
	t.Helper()
	ctx := t.Context()
	store := objstore.Sub(b.Store, prefix)
	_, err := b.ring.Ensure(ctx, keyName)
	if err == nil {
		err = b.ring.Publish(ctx, keyName, store)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.ring.Key(ctx, keyName)
	if err != nil {
		t.Fatal(err)
	}
	key, err := repo.ParseKey(raw)
	if err == nil {
		err = repo.Create(ctx, store, key, repo.CreateOptions{ID: id})
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(ctx, store, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// Content is what Write puts into a recovery point.
type Content struct {
	Manifest repo.Manifest     // all but the streams
	Objects  map[string]string // JSON, by the key of the archive
	Images   map[string]string // files of volumes, by namespace/claim; the manifest's volumes get the streams
}

// Write makes a recovery point.
func Write(t testing.TB, r *repo.Repository, c Content) {
	t.Helper()
	ctx := t.Context()
	w, err := r.NewWriter(ctx, repo.WriterOptions{RecoveryPoint: c.Manifest.ID, PackSize: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := write(ctx, w, &c); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(ctx, c.Manifest); err != nil {
		t.Fatal(err)
	}
}

func write(ctx context.Context, w *repo.Writer, c *Content) error {
	a, err := w.Archive("objects")
	if err != nil {
		return err
	}
	var names []string
	for name := range c.Objects {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := a.Add(name, []byte(c.Objects[name])); err != nil {
			return err
		}
	}
	ref, err := a.Close()
	if err != nil {
		return err
	}
	c.Manifest.Streams = append(c.Manifest.Streams, ref)
	for i := range c.Manifest.Volumes {
		v := &c.Manifest.Volumes[i]
		image, ok := c.Images[v.Namespace+"/"+v.Claim]
		if !ok {
			continue
		}
		v.Stream = "volumes/" + v.Namespace + "/" + v.Claim
		ref, err := stream(w, v.Stream, image)
		if err != nil {
			return err
		}
		c.Manifest.Streams = append(c.Manifest.Streams, ref)
	}
	return nil
}

func stream(w *repo.Writer, name, image string) (repo.StreamRef, error) {
	file, err := os.Open(image)
	if err != nil {
		return repo.StreamRef{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return repo.StreamRef{}, err
	}
	shape := repo.VolumeShape{Length: info.Size(), BlockSize: 64 << 10}
	v, err := w.Volume(name, shape)
	if err != nil {
		return repo.StreamRef{}, err
	}
	if err := v.Copy(file, 0, (shape.Length+shape.BlockSize-1)/shape.BlockSize); err != nil {
		return repo.StreamRef{}, err
	}
	return v.Close()
}

// Image makes a file with an ext4 file system that holds the given files, by
// path.
func Image(t testing.TB, files map[string]string) string {
	t.Helper()
	tree, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	for name, content := range files {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("mkfs.ext4", "-q", "-d", tree, image, "16M").CombinedOutput()
	if err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	return image
}

// Deployment is an object as an API server has it, with fields that only it
// writes.
func Deployment(namespace, name string) (key, json string) {
	return "namespaced/apps/Deployment/" + namespace + "/" + name, fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":%q,"namespace":%q,`+
		`"uid":"0d6b","resourceVersion":"12","creationTimestamp":"2026-01-02T03:04:05Z","labels":{"app":%q}},"spec":{"replicas":3},"status":{"readyReplicas":3}}`, name, namespace, name)
}

// Manifest is the manifest of a recovery point with a volume of each sort: one
// whose data is stored, and one with a snapshot's handle only.
func Manifest(id, instance string, created time.Time, namespaces ...string) repo.Manifest {
	return repo.Manifest{ID: id, Instance: instance, Created: created,
		Facts: map[string]string{"namespaces": strings.Join(namespaces, ","), "bytesStored": "1234"},
		Kinds: []repo.Kind{{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments", Namespaced: true},
			{Version: "v1", Kind: "Namespace", Resource: "namespaces"}},
		Volumes: []repo.Volume{
			{Namespace: namespaces[0], Claim: "data", Protected: true, Driver: "d", SnapshotHandle: "h1", FSType: "ext4", VolumeMode: "Filesystem", SizeBytes: 16 << 20},
			{Namespace: namespaces[0], Claim: "cache", Protected: true, Driver: "d", SnapshotHandle: "h2", SizeBytes: 1 << 20},
		},
	}
}
