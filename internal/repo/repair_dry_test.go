package repo_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
)

// TestADryRepairTellsWhatARealOneDoes damages each object in each way, with a
// replica and without.
func TestADryRepairTellsWhatARealOneDoes(t *testing.T) {
	store, names := twoPoints(t)
	replica := store.Clone()
	for _, name := range names[point(1)] {
		other := names[point(2)][slices.IndexFunc(names[point(2)], func(n string) bool { return strings.HasPrefix(n, name[:5]) })]
		for how, damage := range damages {
			for i, data := range damage(store.Bytes(name), store.Bytes(other)) {
				for _, from := range []*objstoretest.Memory{nil, replica} {
					changed := store.Clone()
					if data == nil {
						_ = changed.Delete(t.Context(), name)
					} else {
						changed.Overwrite(name, data)
					}
					requireSameWhenDry(t, fmt.Sprintf("%s %s %d, replica %v", name, how, i, from != nil), changed, from)
				}
			}
		}
	}
}

func requireSameWhenDry(t *testing.T, what string, store, replica *objstoretest.Memory) {
	t.Helper()
	o := repo.RepairOptions{Dry: true}
	if replica != nil {
		o.From = []*repo.Repository{open(t, replica)}
	}
	found, before := verifyAll(t, store), store.Clone()
	planned, dryErr := open(t, store).Repair(t.Context(), found, o)
	for _, name := range append(store.Names(""), before.Names("")...) {
		if !bytes.Equal(store.Bytes(name), before.Bytes(name)) {
			t.Errorf("%s: %s was changed", what, name)
		}
	}
	o.Dry = false
	done, err := open(t, store).Repair(t.Context(), found, o)
	if errors.Is(err, repo.ErrVersion) && errors.Is(dryErr, repo.ErrVersion) {
		return
	}
	if err != nil || dryErr != nil {
		t.Fatalf("%s: %v, dry %v", what, err, dryErr)
	}
	done.Stored, done.Segments = 0, 0 // what is only known when it is done
	if diff := cmp.Diff(done, planned); diff != "" {
		t.Errorf("%s: done (-), planned (+):\n%s", what, diff)
	}
}
