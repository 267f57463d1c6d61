package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/mirror"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/workflow"
)

const (
	vaultID    = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.DataProtection/backupVaults/v"
	identityID = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"
	instID     = vaultID + "/backupInstances/shop"
	uid        = "00112233445566778899aabbccddeeff"
	vaultU     = "ffeeddccbbaa99887766554433221100"
	mark       = workflow.ReplicaMarks + vaultU + "/" + uid
)

// region is a store of replicas with one repository, and a mirror of it.
type region struct {
	t        *testing.T
	store    *faulty
	catalog  catalog.Store
	provider keys.Provider
	*mirror.Mirror
	repository *repo.Repository
	key        repo.Key
}

func newRegion(t *testing.T) *region {
	t.Helper()
	provider, err := keys.OpenFile(filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	r := &region{t: t, store: &faulty{Store: &objstoretest.Memory{}}, catalog: catalogtest.NewMemory(), provider: provider}
	first := keys.NewRing(catalogtest.NewMemory(), provider) // of the service that is gone
	in := objstore.Sub(r.store, "vaults/"+vaultU+"/"+uid+"/")
	name := workflow.VaultKeyName(uid)
	if _, err := first.Ensure(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	raw, err := first.Key(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	key, err := repo.ParseKey(raw)
	r.key = key
	for _, step := range []func() error{
		func() error { return err },
		func() error { return r.store.Put(t.Context(), mark, bytes.NewReader([]byte("{}\n")), 3) },
		func() error { return first.Publish(t.Context(), name, in) },
		func() error { return repo.Create(t.Context(), in, key, repo.CreateOptions{ID: uid}) },
		func() (err error) { r.repository, err = repo.Open(t.Context(), in, key); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	r.Mirror = mirror.New(mirror.Config{Store: r.catalog, Log: slog.New(slog.DiscardHandler), Keys: provider, Every: time.Minute,
		Regions:  backup.Regions{{Name: "east", Paired: "west"}, {Name: "west", Replicas: true}},
		Replicas: map[string]objstore.Store{"west": r.store}})
	return r
}

// commit adds a recovery point whose instance has that friendly name.
func (r *region) commit(id, friendly string, at time.Time) {
	r.t.Helper()
	kept, err := backup.Keepsake{
		Vault: backup.Vault{Meta: backup.Meta{ID: vaultID, Location: "east"}, UID: vaultU,
			Identity: backup.Identity{Type: backup.IdentityUser, UserAssigned: []string{identityID}}},
		Instance:     backup.Instance{Meta: backup.Meta{ID: instID}, UID: uid, FriendlyName: friendly, UserIdentityID: identityID},
		UserIdentity: &backup.UserIdentity{Meta: backup.Meta{ID: identityID}, PrincipalID: "principal"},
	}.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	w, err := r.repository.NewWriter(r.t.Context(), repo.WriterOptions{RecoveryPoint: id})
	if err != nil {
		r.t.Fatal(err)
	}
	defer w.Close()
	archive, err := w.Archive("objects")
	if err == nil {
		err = archive.Add("key", []byte("of "+id))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	objects, err := archive.Close()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := w.Commit(r.t.Context(), repo.Manifest{Created: at, Streams: []repo.StreamRef{objects}, Instance: instID, Facts: map[string]string{agentv1.FactKept: kept}}); err != nil {
		r.t.Fatal(err)
	}
}

// seen is what the catalog has: the instance's friendly name and its recovery points.
func (r *region) seen() (friendly string, points int, vault bool) {
	r.t.Helper()
	err := r.catalog.View(r.t.Context(), func(tx catalog.Tx) error {
		instances, err := inventory.SecondaryInstances.Below(tx, vaultID)
		if err != nil {
			return err
		}
		if len(instances) > 0 {
			friendly = instances[0].FriendlyName
		}
		all, err := inventory.SecondaryPoints.Below(tx, instID)
		points = len(all)
		if err != nil {
			return err
		}
		_, err = inventory.SecondaryVaults.Get(tx, vaultID)
		vault = err == nil
		known, err := inventory.SecondaryIdentities.Get(tx, identityID)
		if (err == nil) != vault || vault && known.PrincipalID != "principal" {
			r.t.Errorf("vault %v, its identity %+v, %v", vault, known, err)
		}
		if _, err = inventory.UserIdentities.Get(tx, identityID); !errors.Is(err, catalog.ErrNotFound) {
			r.t.Error("an identity of another region became one of this")
		}
		_, err = inventory.Instances.Get(tx, instID)
		if !errors.Is(err, catalog.ErrNotFound) {
			r.t.Error("an instance of another region became one of this")
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return friendly, points, vault
}

const one, two = "0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef"

var begin = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// What is in the store is known, what is not any more is forgotten, and the newest
// recovery point decides what the instance is like.
func TestRefresh(t *testing.T) {
	r := newRegion(t)
	refresh := func(friendly string, points int, vault bool) {
		t.Helper()
		if err := r.Refresh(t.Context(), "west"); err != nil {
			t.Fatal(err)
		}
		if f, p, v := r.seen(); f != friendly || p != points || v != vault {
			t.Fatalf("seen %q, %d points, vault %v; want %q, %d, %v", f, p, v, friendly, points, vault)
		}
	}
	refresh("", 0, false)
	r.commit(one, "new", begin.Add(time.Hour))
	refresh("new", 1, true)
	r.commit(two, "old", begin)
	refresh("new", 2, true)
	before := r.store.gets.Load()
	refresh("new", 2, true)
	if r.store.gets.Load() != before {
		t.Errorf("%d objects were read although nothing is new", r.store.gets.Load()-before)
	}
	if err := r.repository.DeleteManifest(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	refresh("new", 1, true)
	if err := r.store.Delete(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	refresh("", 0, false)
}

// A store that cannot answer changes nothing that is known.
func TestRefreshKeepsWhatItCannotAsk(t *testing.T) {
	r := newRegion(t)
	r.commit(one, "shop", begin)
	if err := r.Refresh(t.Context(), "west"); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{workflow.ReplicaMarks, "vaults/"} {
		r.store.fails = prefix
		if err := r.Refresh(t.Context(), "west"); !errors.Is(err, objstore.ErrUnavailable) {
			t.Errorf("%s: %v", prefix, err)
		}
		if _, points, vault := r.seen(); points != 1 || !vault {
			t.Errorf("%s: %d points, vault %v are left", prefix, points, vault)
		}
	}
}

// faulty is a store whose listings of what begins with fails end with an error.
type faulty struct {
	objstore.Store
	fails string
	gets  atomic.Int64
}

func (f *faulty) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	if f.fails == "" || len(prefix) < len(f.fails) || prefix[:len(f.fails)] != f.fails {
		return f.Store.List(ctx, prefix)
	}
	return func(yield func(objstore.Info, error) bool) { yield(objstore.Info{}, objstore.ErrUnavailable) }
}

func (f *faulty) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	f.gets.Add(1)
	return f.Store.Get(ctx, name, offset, length)
}

// A replication that dies at any write leaves nothing in sight that is not whole, and
// the next one makes it so.
func TestNothingPartialIsShown(t *testing.T) {
	from := newRegion(t) // plays the vault
	from.commit(one, "shop", begin)
	from.commit(two, "shop", begin.Add(time.Hour))
	for died, n := true, 1; died; n++ {
		to := newReplicaOf(t, from)
		died = false
		puts := 0
		var mu sync.Mutex // writers upload side by side
		dying := objstoretest.Faulty(to.store.Store, func(c objstoretest.Call) objstoretest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if c.Op == "put" {
				puts++
			}
			if died = died || puts == n; died {
				return objstoretest.Fault{Before: objstore.ErrUnavailable}
			}
			return objstoretest.Fault{}
		})
		if _, err := repo.ReplicateAll(t.Context(), from.repository, to.open(dying), repo.ReplicateOptions{}); (err != nil) != died {
			t.Fatalf("death at write %d: %v, %v", n, died, err)
		}
		to.requireWhole(n)
		if _, err := repo.ReplicateAll(t.Context(), from.repository, to.open(to.store.Store), repo.ReplicateOptions{}); err != nil {
			t.Fatal(err)
		}
		if shown := to.requireWhole(n); shown != 2 {
			t.Errorf("death at write %d: %d recovery points after the next replication", n, shown)
		}
	}
}

// newReplicaOf is another region, whose repository is an empty replica.
func newReplicaOf(t *testing.T, from *region) *region {
	t.Helper()
	to := &region{t: t, store: &faulty{Store: &objstoretest.Memory{}}, catalog: catalogtest.NewMemory(), provider: from.provider, key: from.key}
	for _, name := range []string{mark, "vaults/" + vaultU + "/" + uid + "/"} {
		for info, err := range from.store.List(t.Context(), name) {
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains([]byte(info.Name), []byte("/keys/")) || info.Name == mark || bytes.HasSuffix([]byte(info.Name), []byte("/repository")) {
				data := from.store.Store.(*objstoretest.Memory).Bytes(info.Name)
				if err := to.store.Put(t.Context(), info.Name, bytes.NewReader(data), int64(len(data))); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	to.Mirror = mirror.New(mirror.Config{Store: to.catalog, Log: slog.New(slog.DiscardHandler), Keys: from.provider, Every: time.Minute,
		Regions: from.Regions, Replicas: map[string]objstore.Store{"west": to.store}})
	return to
}

func (r *region) open(store objstore.Store) *repo.Repository {
	r.t.Helper()
	opened, err := repo.Open(r.t.Context(), objstore.Sub(store, "vaults/"+vaultU+"/"+uid+"/"), r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	return opened
}

// requireWhole refreshes, and reads everything of what is then shown.
func (r *region) requireWhole(n int) (shown int) {
	r.t.Helper()
	if err := r.Refresh(r.t.Context(), "west"); err != nil {
		r.t.Errorf("death at write %d: %v", n, err)
	}
	err := r.catalog.View(r.t.Context(), func(tx catalog.Tx) error {
		all, err := inventory.SecondaryPoints.Below(tx, instID)
		for i := range all {
			if err := r.open(r.store).Verify(r.t.Context(), all[i].Name()); err != nil {
				r.t.Errorf("death at write %d: it is shown and not whole: %v", n, err)
			}
		}
		shown = len(all)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return shown
}

// What cannot be read is told of, with a reason, until it can be.
func TestRefreshTellsWhyItCannotRead(t *testing.T) {
	r := newRegion(t)
	r.commit(one, "shop", begin)
	told := func() (code backup.Code) {
		t.Helper()
		err := r.catalog.View(t.Context(), func(tx catalog.Tx) error {
			view, err := inventory.SecondaryRegions.Get(tx, backup.RegionViewID("west"))
			if err == nil && view.Problem != nil {
				code = view.Problem.Code
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	other, err := keys.OpenFile(filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	own := r.Keys
	r.Keys = other
	if err := r.Refresh(t.Context(), "west"); !errors.Is(err, keys.ErrUnwrap) || told() != backup.CodeReplicaKeyRefused {
		t.Errorf("with another key: %v, %s", err, told())
	}
	if _, points, _ := r.seen(); points != 0 {
		t.Errorf("%d recovery points are shown", points)
	}
	r.Keys, r.store.fails = own, workflow.ReplicaMarks
	if err := r.Refresh(t.Context(), "west"); err == nil || told() != backup.CodeVaultStoreUnreachable {
		t.Errorf("without the store: %v, %s", err, told())
	}
	r.store.fails = ""
	if err := r.Refresh(t.Context(), "west"); err != nil || told() != "" {
		t.Errorf("%v, %s", err, told())
	}
}

// What a vault has left in a region before its location was paired with another one is
// nothing that can be restored there: the new region has it, as it arrives.
func TestOnlyThePairedRegionIsShown(t *testing.T) {
	r := newRegion(t)
	r.commit(one, "shop", begin)
	r.commit(two, "shop", begin.Add(time.Hour))
	north := newReplicaOf(t, r)
	refresh := func(points int, regions ...string) {
		t.Helper()
		for _, region := range regions {
			if err := r.Refresh(t.Context(), region); err != nil {
				t.Error(err)
			}
		}
		if _, got, _ := r.seen(); got != points {
			t.Errorf("after %q: %d points, want %d", regions, got, points)
		}
	}
	refresh(2, "west")
	r.Regions = backup.Regions{{Name: "east", Paired: "north"}, {Name: "north", Replicas: true}, {Name: "south", Paired: "west"}, {Name: "west", Replicas: true}}
	r.Replicas = map[string]objstore.Store{"west": r.store, "north": north.store}
	refresh(0, "north")
	refresh(0, "west", "north", "west")
	if _, err := repo.Replicate(t.Context(), r.repository, r.open(north.store), one, repo.ReplicateOptions{}); err != nil {
		t.Fatal(err)
	}
	refresh(1, "north", "west", "north", "west")
}
