package repo_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

// damaged holds a repository with two recovery points that share nothing but
// keys, so that the damage of one must leave the other whole.
func twoPoints(t *testing.T) (store *objstoretest.Memory, names map[string][]string) {
	t.Helper()
	store = &objstoretest.Memory{}
	open(t, store)
	names = map[string][]string{}
	for n, content := range [][]repo.Record{records(150, 700), records(149, 650)} {
		known := store.Names("")
		if err := wholeBackup(t.Context(), store, point(n+1), content); err != nil {
			t.Fatal(err)
		}
		for _, name := range store.Names("") {
			if !slices.Contains(known, name) {
				names[point(n+1)] = append(names[point(n+1)], name)
			}
		}
	}
	return store, names
}

// damages change one object's content; nil means that it is deleted. other is
// an object of the same kind from the other recovery point.
var damages = map[string]func(data, other []byte) [][]byte{
	"flipped": func(data, _ []byte) (out [][]byte) {
		for _, at := range []int{0, 7, 8, 30, len(data) / 2, len(data) - 70, len(data) - 30, len(data) - 1} {
			if at >= 0 && at < len(data) {
				changed := bytes.Clone(data)
				changed[at] ^= 0x10
				out = append(out, changed)
			}
		}
		return out
	},
	"cut": func(data, _ []byte) [][]byte {
		return [][]byte{{}, data[:1], data[:len(data)/2], data[:len(data)-1]}
	},
	"grown":   func(data, _ []byte) [][]byte { return [][]byte{append(bytes.Clone(data), 0)} },
	"swapped": func(_, other []byte) [][]byte { return [][]byte{other} },
	"deleted": func([]byte, []byte) [][]byte { return [][]byte{nil} },
}

func TestEveryDamageIsFoundAndLocatedAndStaysWhereItIs(t *testing.T) {
	store, names := twoPoints(t)
	for _, name := range names[point(1)] {
		kind := name[:strings.IndexByte(name, '/')+1]
		other := names[point(2)][slices.IndexFunc(names[point(2)], func(n string) bool { return strings.HasPrefix(n, kind) })]
		for how, damage := range damages {
			for i, data := range damage(store.Bytes(name), store.Bytes(other)) {
				t.Run(fmt.Sprintf("%s %s %d", kind, how, i), func(t *testing.T) {
					changed := store.Clone()
					if data == nil {
						_ = changed.Delete(t.Context(), name)
					} else {
						changed.Overwrite(name, data)
					}
					requireFound(t, changed, kind, name, how)
				})
			}
		}
	}
}

func requireFound(t *testing.T, store *objstoretest.Memory, kind, name, how string) {
	t.Helper()
	r := open(t, store)
	err := r.Verify(t.Context(), point(1))
	switch {
	case err == nil:
		t.Fatal("not found")
	case kind == "manifests/" && how == "deleted":
		if !errors.Is(err, repo.ErrNoRecoveryPoint) {
			t.Error(err)
		}
	case !errors.Is(err, repo.ErrDamaged) && !errors.Is(err, repo.ErrVersion):
		t.Errorf("not called a damage: %v", err)
	case how != "deleted" && !strings.Contains(err.Error(), name):
		t.Errorf("not located in %s: %v", name, err)
	}
	if kind == "packs/" && how == "deleted" && !strings.Contains(err.Error(), "objects") && !strings.Contains(err.Error(), "volumes/data") {
		t.Errorf("does not say which stream: %v", err)
	}
	if err := r.Verify(t.Context(), point(2)); err != nil {
		t.Errorf("the other recovery point suffers: %v", err)
	}
}

func TestABackupStoresAgainWhatADamagedIndexHides(t *testing.T) {
	store, names := twoPoints(t)
	for _, name := range names[point(1)] {
		if strings.HasPrefix(name, "indexes/") {
			store.Overwrite(name, store.Bytes(name)[:100])
		}
	}
	if err := wholeBackup(t.Context(), store, point(3), records(150, 700)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{point(1), point(3)} {
		if err := open(t, store).Verify(t.Context(), id); err != nil {
			t.Errorf("recovery point %s is not healed: %v", id, err)
		}
	}
}

// TestVerifyingAllListsWhoSuffers damages each object in each way, and expects
// a report of that object and of those who need it, and the others restorable.
func TestVerifyingAllListsWhoSuffers(t *testing.T) {
	store, names := twoPoints(t)
	spent(t, store)
	names[""] = append(store.Names("writers/"), store.Names("condemned/")...)
	for owner, objects := range names {
		for _, name := range objects {
			kind := name[:strings.IndexByte(name+"/", '/')]
			other := name
			if owner != "" {
				of := names[point(3-int(owner[31]-'0'))]
				other = of[slices.IndexFunc(of, func(n string) bool { return strings.HasPrefix(n, kind) })]
			}
			for how, damage := range damages {
				if how == "swapped" && other == name {
					continue
				}
				for i, data := range damage(store.Bytes(name), store.Bytes(other)) {
					changed := store.Clone()
					if data == nil {
						_ = changed.Delete(t.Context(), name)
					} else {
						changed.Overwrite(name, data)
					}
					requireReported(t, changed, owner, kind, name, fmt.Sprintf("%s %s %d", name, how, i), data == nil)
				}
			}
		}
	}
}

// spent leaves an announcement of a recovery point that exists, and a
// condemnation of a pack that is gone.
func spent(t *testing.T, store *objstoretest.Memory) {
	t.Helper()
	r := open(t, store)
	w := newWriter(t, r, point(1))
	w.Close()
	garbage := newWriter(t, r, point(9))
	_, err := writeStreams(garbage, records(5, 50))
	if err == nil {
		err = garbage.Flush(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	garbage.Close()
	stopped := objstoretest.Faulty(store, func(c objstoretest.Call) objstoretest.Fault {
		if c.Op == "delete" && strings.HasPrefix(c.Name, "condemned/") {
			return objstoretest.Fault{Before: errCrash}
		}
		return objstoretest.Fault{}
	})
	_, err = open(t, stopped).CollectGarbage(t.Context(), repo.GCOptions{Dead: func(string) bool { return true }})
	if !errors.Is(err, errCrash) || len(store.Names("condemned/")) != 1 {
		t.Fatalf("%v, condemned %q", err, store.Names("condemned/"))
	}
	newWriter(t, r, point(1)).Close()
}

func requireReported(t *testing.T, store *objstoretest.Memory, owner, kind, name, what string, deleted bool) {
	t.Helper()
	r := open(t, store)
	report, err := r.VerifyPoints(t.Context(), repo.VerifyOptions{Share: 1})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	harmless := deleted && kind != "packs" && kind != "indexes" // a recovery point that is gone, or a document that is spent
	found := slices.ContainsFunc(report.Findings, func(f repo.Finding) bool {
		return f.Object == name && (errors.Is(f.Err, repo.ErrDamaged) || errors.Is(f.Err, repo.ErrVersion)) || deleted && kind == "indexes" && f.Object == ""
	})
	if found == harmless {
		t.Errorf("%s: reported %+v", what, report.Findings)
	}
	for _, id := range report.Damaged() {
		if id != owner {
			t.Errorf("%s: %s is said to suffer", what, id)
		}
	}
	for _, f := range report.Findings {
		for _, a := range f.Affected {
			if kind != "manifests" && (a.Stream == "" || (a.Stream == "volumes/data") != (a.Volume == "default/data")) {
				t.Errorf("%s: affected %+v", what, a)
			}
		}
	}
	for n := 1; n <= 2; n++ {
		_, err := readAll(t.Context(), r, point(n))
		suffers := slices.Contains(report.Damaged(), point(n)) || deleted && kind == "manifests" && owner == point(n)
		if (err != nil) != suffers {
			t.Errorf("%s: recovery point %d suffers: %v, reading: %v", what, n, suffers, err)
		}
	}
}

func TestADamageOfSharedBlocksAffectsAllWhoShareThem(t *testing.T) {
	store := &objstoretest.Memory{}
	open(t, store)
	for n := range 3 {
		if err := wholeBackup(t.Context(), store, point(n), records(100+n*30, 500)); err != nil {
			t.Fatal(err)
		}
	}
	if err := wholeBackup(t.Context(), store, point(3), records(40, 300)); err != nil {
		t.Fatal(err)
	}
	store.Overwrite("manifests/"+point(5), []byte("no manifest"))
	first := store.Names("packs/")
	for _, name := range first {
		changed := store.Clone()
		_ = changed.Delete(t.Context(), name)
		report, err := open(t, changed).VerifyPoints(t.Context(), repo.VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 4 {
			_, err := readAll(t.Context(), open(t, changed), point(n))
			if said := slices.Contains(report.Damaged(), point(n)); said != (err != nil) {
				t.Errorf("without %s, recovery point %d is damaged: %v, reading: %v", name, n, said, err)
			}
		}
		if !slices.Contains(report.Damaged(), point(5)) {
			t.Error("a damaged manifest is not told")
		}
	}
}

func TestSamplingReadsAShareAndTheSameAgain(t *testing.T) {
	store := &objstoretest.Memory{}
	r := open(t, store)
	if err := wholeBackup(t.Context(), store, point(1), records(4000, 4000)); err != nil {
		t.Fatal(err)
	}
	var all []int64
	for _, o := range []repo.VerifyOptions{{}, {Share: 0.3, Seed: 1}, {Share: 0.3, Seed: 1}, {Share: 0.3, Seed: 2}, {Share: 1}} {
		told := 0
		o.Progress = func(repo.VerifyReport) { told++ }
		report, err := r.VerifyPoints(t.Context(), o)
		if err != nil || len(report.Findings) != 0 || report.Points != 1 || told == 0 {
			t.Fatalf("%+v, %v, told %d times", report, err, told)
		}
		all = append(all, report.Bytes)
	}
	if all[1] != all[2] || all[1] == all[3] || all[0] >= all[1] || all[1] >= all[4] {
		t.Errorf("bytes read: %d", all)
	}
}

func TestWrongKeyAndForeignObjects(t *testing.T) {
	store := &objstoretest.Memory{}
	if _, err := repo.Open(t.Context(), store, testKey); !errors.Is(err, repo.ErrNoRepository) {
		t.Errorf("open of nothing: %v", err)
	}
	open(t, store)
	if _, err := repo.Open(t.Context(), store, repo.Key{9}); !errors.Is(err, repo.ErrWrongKey) {
		t.Errorf("open with a wrong key: %v", err)
	}
	if err := repo.Create(t.Context(), store, repo.Key{9}, repo.CreateOptions{ID: repositoryID}); !errors.Is(err, repo.ErrWrongKey) {
		t.Errorf("create with a wrong key: %v", err)
	}
	if err := repo.Create(t.Context(), store, testKey, repo.CreateOptions{ID: point(5)}); !errors.Is(err, repo.ErrConflict) {
		t.Errorf("create with another id: %v", err)
	}
	identity := store.Bytes("repository")
	for text, change := range map[string]struct {
		data []byte
		want error
	}{
		"newer":   {bytes.Replace(identity, []byte(`"version":1`), []byte(`"version":2`), 1), repo.ErrVersion},
		"other":   {[]byte(`{"format":"something else"}`), repo.ErrNoRepository},
		"no JSON": {[]byte("x"), repo.ErrDamaged},
		"forged":  {bytes.Replace(identity, []byte(`"publicKey":"`), []byte(`"publicKey":"0`), 1), repo.ErrDamaged},
	} {
		store.Overwrite("repository", change.data)
		if _, err := repo.Open(t.Context(), store, testKey); !errors.Is(err, change.want) {
			t.Errorf("%s: %v, want %v", text, err, change.want)
		}
	}
}
