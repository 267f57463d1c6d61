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
