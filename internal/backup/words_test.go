package backup

import "testing"

func TestWords(t *testing.T) {
	for word, want := range map[string]string{"": "", "skip": "Skip", "PATCH": "Patch"} {
		if got, err := OneOf("properties.policy", word, "Skip", "Patch"); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", word, got, err, want)
		}
	}
	_, err := OneOf("properties.policy", "Skipp", "Skip", "Patch")
	if p, ok := AsProblem(err); !ok || p.Target != "properties.policy" || p.Message != `"Skipp" is not one of Skip, Patch` {
		t.Error(err)
	}
	for _, word := range []string{"", "AzureRule"} {
		_, err := ExpectObject("properties.rule", word, "AzureBackupRule")
		if p, ok := AsProblem(err); !ok || p.Target != "properties.rule.objectType" {
			t.Errorf("%q: %v", word, err)
		}
	}
	if p := Required("properties.location"); p.Target != "properties.location" || p.Message != "location is required" {
		t.Error(p)
	}
}
