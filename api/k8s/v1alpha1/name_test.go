package v1alpha1

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

func FuzzRunNameIsAlwaysALabel(f *testing.F) {
	for _, id := range []string{"", "a", "-a", "a-", "Ä", "a.b", strings.Repeat("a", 57), strings.Repeat("a", 58)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		name := RunName(id)
		if errs := validation.IsDNS1123Label(name); len(errs) > 0 {
			t.Fatalf("%q: %v", name, errs)
		}
	})
}

func TestRunNameKeepsReadableIDs(t *testing.T) {
	const id = "7d9f0c6e-31c4-4d4f-9d7e-0f5b2a8c1e11"
	if got := RunName(id); got != "op-"+id {
		t.Fatalf("got %q", got)
	}
	if got := RunName(strings.ToUpper(id)); got == "op-"+id {
		t.Fatal("two ids share a name")
	}
}

func TestGrantIsFlat(t *testing.T) {
	grant := Grant{
		RepositoryGrant: agentv1.RepositoryGrant{Prefix: "p/", Key: []byte{1}},
		Location:        &agentv1.StorageLocation{URL: "file:///b"},
	}
	got, err := json.Marshal(grant)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"prefix":"p/","key":"AQ==","location":{"url":"file:///b"}}`
	if string(got) != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestSpecWithoutKeyHoldsNoKey(t *testing.T) {
	spec := BackupRunSpec{Backup: agentv1.Backup{Repository: agentv1.RepositoryGrant{Prefix: "p/"}}}
	got, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), `"key"`) {
		t.Fatalf("%s", got)
	}
}
