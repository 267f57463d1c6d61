package transform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/json"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// fixture is one file of testdata: its name begins with the number of the trap
// it proves.
type fixture struct {
	Mapping  map[string]string `json:"mapping"`
	In, Want map[string]any
	Notes    []string `json:"notes"`
}

func load(t *testing.T, file string) fixture {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := yaml.YAMLToJSONStrict(raw)
	if err != nil {
		t.Fatal(err)
	}
	// The decoder of the product keeps large integers whole.
	var parts map[string]any
	if err := json.Unmarshal(encoded, &parts); err != nil {
		t.Fatal(err)
	}
	f := fixture{In: child(parts, "in"), Want: child(parts, "want"), Mapping: map[string]string{}}
	for from, to := range child(parts, "mapping") {
		f.Mapping[from] = asText(to)
	}
	for _, note := range list(parts, "notes") {
		f.Notes = append(f.Notes, asText(note))
	}
	return f
}

func TestTraps(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			f := load(t, file)
			rules := Rules{Namespaces: f.Mapping, KeepFinalizer: func(name string) bool {
				return strings.HasPrefix(name, "db.example.org/")
			}}
			var codes []string
			for _, note := range rules.Apply(f.In) {
				codes = append(codes, note.Code)
				if note.Message == "" {
					t.Errorf("note %s says nothing", note.Code)
				}
			}
			if diff := cmp.Diff(f.Want, f.In); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(f.Notes, codes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

// Rewriting what was rewritten changes nothing more, for every fixture, as
// long as the new names are not mapped again.
func TestApplyTwiceIsApplyOnce(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.yaml")
	rapid.Check(t, func(rt *rapid.T) {
		f := load(t, rapid.SampledFrom(files).Draw(rt, "file"))
		rules := Rules{Namespaces: rapid.SampledFrom([]map[string]string{nil, {"shop": "copy"}}).Draw(rt, "mapping")}
		rules.Apply(f.In)
		once, err := json.Marshal(f.In)
		if err != nil {
			rt.Fatal(err)
		}
		if f.In["kind"] == "Service" {
			return // asked-for node ports are known by managedFields, which are gone
		}
		rules.Apply(f.In)
		twice, err := json.Marshal(f.In)
		if err != nil || string(once) != string(twice) {
			rt.Fatalf("once:  %s\ntwice: %s (%v)", once, twice, err)
		}
	})
}

// No object makes the rewriting fail, whatever its shape: backups are input
// that somebody else may have written.
func FuzzApply(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		encoded, err := yaml.YAMLToJSON(raw)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Add([]byte(`{"in":{"kind":"Pod","apiVersion":"v1","metadata":[],"spec":{"volumes":[1,null],"containers":[null]}}}`))
	f.Add([]byte(`{"in":{"kind":"Service","apiVersion":"v1","metadata":{"managedFields":[null,1]},"spec":{"ports":[null,1]}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var parts map[string]any
		if json.Unmarshal(raw, &parts) != nil {
			return
		}
		body := child(parts, "in")
		if body == nil {
			return
		}
		Rules{Namespaces: map[string]string{"shop": "copy"}}.Apply(body)
		Suspend(body)
		DropNodePorts(body)
		_ = FillClaim(body, "s", "n", 5)
		PatchTo(body, body)
		MergeAccount(body, body)
	})
}
