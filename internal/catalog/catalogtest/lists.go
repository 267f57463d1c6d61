package catalogtest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/catalog"
)

func ids(t *testing.T, store catalog.Store, q catalog.Query) []string {
	t.Helper()
	var found []string
	err := store.View(t.Context(), func(tx catalog.Tx) error {
		docs, err := tx.List(q)
		for _, doc := range docs {
			found = append(found, doc.ID)
		}
		return err
	})
	if err != nil {
		t.Fatalf("List %+v: %v", q, err)
	}
	return found
}

func list(t *testing.T, store catalog.Store) {
	for id, labels := range map[string]map[string]string{
		"/a":   {"x": "1", "y": "1"},
		"/a/b": {"x": "1", "y": "2"},
		"/a/c": {"x": "2", "y": "1"},
		"/a_b": nil,
		"/b":   {"x": "1"},
		"/Ä":   nil,
		"/a%":  nil,
	} {
		doc := thing(id)
		doc.Labels = labels
		mustPut(t, store, doc)
	}
	mustPut(t, store, catalog.Document{Kind: "other", ID: "/a", Body: []byte(`{}`), Labels: map[string]string{"x": "1"}})
	cases := []struct {
		name string
		q    catalog.Query
		want []string
	}{
		{"all, in byte order", catalog.Query{}, []string{"/a", "/a%", "/a/b", "/a/c", "/a_b", "/b", "/Ä"}},
		{"prefix", catalog.Query{Prefix: "/a/"}, []string{"/a/b", "/a/c"}},
		{"a prefix has no wildcards", catalog.Query{Prefix: "/a_"}, []string{"/a_b"}},
		{"one label", catalog.Query{Labels: map[string]string{"x": "1"}}, []string{"/a", "/a/b", "/b"}},
		{"two labels", catalog.Query{Labels: map[string]string{"x": "1", "y": "1"}}, []string{"/a"}},
		{"label and prefix", catalog.Query{Prefix: "/a/", Labels: map[string]string{"x": "1"}}, []string{"/a/b"}},
		{"unknown label", catalog.Query{Labels: map[string]string{"z": "1"}}, nil},
		{"first page", catalog.Query{Limit: 2}, []string{"/a", "/a%"}},
		{"next page", catalog.Query{Limit: 2, After: "/a%"}, []string{"/a/b", "/a/c"}},
		{"last page with label", catalog.Query{After: "/a/b", Labels: map[string]string{"x": "1"}}, []string{"/b"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.q.Kind = "thing"
			if diff := cmp.Diff(c.want, ids(t, store, c.q)); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		})
	}
}

func labelsFollow(t *testing.T, store catalog.Store) {
	doc := thing("a")
	doc.Labels = map[string]string{"state": "running"}
	mustPut(t, store, doc)
	doc.Labels = map[string]string{"state": "done"}
	mustPut(t, store, doc)
	query := func(state string) []string {
		return ids(t, store, catalog.Query{Kind: "thing", Labels: map[string]string{"state": state}})
	}
	if got := query("running"); got != nil {
		t.Fatalf("found %v under its old label", got)
	}
	if got := query("done"); len(got) != 1 {
		t.Fatalf("found %v under its new label, want one", got)
	}
	update(t, store, func(tx catalog.Tx) error { return tx.Delete("thing", "a", "") })
	mustPut(t, store, thing("a"))
	if got := query("done"); got != nil {
		t.Fatalf("found %v under the label of a deleted document", got)
	}
}

func fullPage(t *testing.T, store catalog.Store) {
	update(t, store, func(tx catalog.Tx) error {
		for i := range catalog.MaxPage + 1 {
			if _, err := tx.Put(thing(fmt.Sprintf("%05d", i)), ""); err != nil {
				return err
			}
		}
		return nil
	})
	for _, limit := range []int{0, catalog.MaxPage + 1} {
		if got := ids(t, store, catalog.Query{Kind: "thing", Limit: limit}); len(got) != catalog.MaxPage {
			t.Fatalf("Limit %d: %d documents, want %d", limit, len(got), catalog.MaxPage)
		}
	}
}
