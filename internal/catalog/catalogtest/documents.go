package catalogtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/catalog"
)

func update(t *testing.T, store catalog.Store, fn func(catalog.Tx) error) {
	t.Helper()
	if err := store.Update(t.Context(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func put(t *testing.T, store catalog.Store, doc catalog.Document, ifMatch string) (stored catalog.Document, err error) {
	t.Helper()
	err = store.Update(t.Context(), func(tx catalog.Tx) error {
		var err error
		stored, err = tx.Put(doc, ifMatch)
		return err
	})
	return stored, err
}

func mustPut(t *testing.T, store catalog.Store, doc catalog.Document) catalog.Document {
	t.Helper()
	stored, err := put(t, store, doc, "")
	if err != nil {
		t.Fatalf("Put %s: %v", doc.ID, err)
	}
	return stored
}

func get(t *testing.T, store catalog.Store, kind, id string) (doc catalog.Document, err error) {
	t.Helper()
	err = store.View(t.Context(), func(tx catalog.Tx) error {
		var err error
		doc, err = tx.Get(kind, id)
		return err
	})
	return doc, err
}

func thing(id string) catalog.Document {
	return catalog.Document{Kind: "thing", ID: id, Body: json.RawMessage(fmt.Sprintf(`{"id":%q}`, id))}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error = %v, want %v", got, want)
	}
}

func getWhatWasPut(t *testing.T, store catalog.Store) {
	doc := thing("/a/b")
	doc.Labels = map[string]string{"colour": "rot & grün", "empty": ""}
	stored := mustPut(t, store, doc)
	if stored.ETag == "" || stored.ETag == catalog.IfAbsent {
		t.Fatalf("ETag = %q", stored.ETag)
	}
	got, err := get(t, store, "thing", "/a/b")
	if err != nil {
		t.Fatal(err)
	}
	doc.ETag = stored.ETag
	if diff := cmp.Diff(doc, got); diff != "" {
		t.Fatalf("document changed (-want +got):\n%s", diff)
	}
	_, err = get(t, store, "other", "/a/b")
	wantErr(t, err, catalog.ErrNotFound)
	_, err = get(t, store, "thing", "/A/b")
	wantErr(t, err, catalog.ErrNotFound)
}

func etagChanges(t *testing.T, store catalog.Store) {
	first := mustPut(t, store, thing("a"))
	second := mustPut(t, store, thing("a"))
	if first.ETag == second.ETag {
		t.Fatalf("ETag %q stayed the same", first.ETag)
	}
}

func ifAbsent(t *testing.T, store catalog.Store) {
	if _, err := put(t, store, thing("a"), catalog.IfAbsent); err != nil {
		t.Fatal(err)
	}
	_, err := put(t, store, thing("a"), catalog.IfAbsent)
	wantErr(t, err, catalog.ErrConflict)
}

func ifMatch(t *testing.T, store catalog.Store) {
	_, err := put(t, store, thing("a"), "something")
	wantErr(t, err, catalog.ErrConflict)
	first := mustPut(t, store, thing("a"))
	second, err := put(t, store, thing("a"), first.ETag)
	if err != nil {
		t.Fatal(err)
	}
	_, err = put(t, store, thing("a"), first.ETag)
	wantErr(t, err, catalog.ErrConflict)
	if got, err := get(t, store, "thing", "a"); err != nil || got.ETag != second.ETag {
		t.Fatalf("a refused Put changed the document: %+v, %v", got, err)
	}
}

func deleteDocument(t *testing.T, store catalog.Store) {
	remove := func(etag string) error {
		return store.Update(t.Context(), func(tx catalog.Tx) error { return tx.Delete("thing", "a", etag) })
	}
	wantErr(t, remove(""), catalog.ErrNotFound)
	stored := mustPut(t, store, thing("a"))
	wantErr(t, remove("another"), catalog.ErrConflict)
	if err := remove(stored.ETag); err != nil {
		t.Fatal(err)
	}
	_, err := get(t, store, "thing", "a")
	wantErr(t, err, catalog.ErrNotFound)
}

func newETagAfterDelete(t *testing.T, store catalog.Store) {
	first := mustPut(t, store, thing("a"))
	update(t, store, func(tx catalog.Tx) error { return tx.Delete("thing", "a", "") })
	if second := mustPut(t, store, thing("a")); second.ETag == first.ETag {
		t.Fatal("a document made again has its old ETag")
	}
}

func refuseBadDocuments(t *testing.T, store catalog.Store) {
	many := map[string]string{}
	for i := range catalog.MaxLabels + 1 {
		many[fmt.Sprint(i)] = "x"
	}
	bad := map[string]catalog.Document{
		"no kind":         {ID: "a", Body: json.RawMessage(`{}`)},
		"no ID":           {Kind: "thing", Body: json.RawMessage(`{}`)},
		"no body":         {Kind: "thing", ID: "a"},
		"too many labels": {Kind: "thing", ID: "a", Body: json.RawMessage(`{}`), Labels: many},
		"long label":      {Kind: "thing", ID: "a", Body: json.RawMessage(`{}`), Labels: map[string]string{"l": strings.Repeat("x", catalog.MaxLabelValue+1)}},
	}
	for name, doc := range bad {
		if _, err := put(t, store, doc, ""); err == nil {
			t.Errorf("%s: Put succeeded", name)
		}
	}
}

func noAliasing(t *testing.T, store catalog.Store) {
	doc := thing("a")
	doc.Labels = map[string]string{"l": "1"}
	mustPut(t, store, doc)
	doc.Body[0], doc.Labels["l"] = 'X', "2"
	got, err := get(t, store, "thing", "a")
	if err != nil || got.Body[0] != '{' || got.Labels["l"] != "1" {
		t.Fatalf("the stored document followed the caller's: %s %v %v", got.Body, got.Labels, err)
	}
}
