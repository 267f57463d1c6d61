package equality

import (
	"strings"
	"testing"
)

func claim(name, volume string) map[string]any {
	return map[string]any{
		"kind":     "PersistentVolumeClaim",
		"metadata": map[string]any{"name": name, "uid": "1", "resourceVersion": "7", "annotations": map[string]any{"pv.kubernetes.io/bind-completed": "yes"}},
		"spec":     map[string]any{"volumeName": volume, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}},
		"status":   map[string]any{"phase": "Bound"},
	}
}

func canonical(t *testing.T, obj map[string]any) string {
	t.Helper()
	s, err := Canonical(obj)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCanonicalForgetsWhatMustDiffer(t *testing.T) {
	if a, b := canonical(t, claim("data", "pv-1")), canonical(t, claim("data", "pv-2")); a != b {
		t.Fatalf("claims differ only in their volume, but:\n%s\n%s", a, b)
	}
}

func TestCanonicalKeepsWhatMustNotDiffer(t *testing.T) {
	smaller := claim("data", "pv-1")
	smaller["spec"].(map[string]any)["resources"] = map[string]any{"requests": map[string]any{"storage": "1Mi"}}
	if canonical(t, claim("data", "pv-1")) == canonical(t, smaller) {
		t.Fatal("a smaller claim must not be equal")
	}
	labelled := claim("data", "pv-1")
	labelled["metadata"].(map[string]any)["labels"] = map[string]any{"app": "x"}
	if canonical(t, claim("data", "pv-1")) == canonical(t, labelled) {
		t.Fatal("a lost label must not be equal")
	}
}

func TestDifferences(t *testing.T) {
	before := Snapshot{"a": "1", "b": "2", "c": "3"}
	after := Snapshot{"a": "1", "b": "x", "d": "4"}
	got := strings.Join(Differences(before, after), "\n")
	for _, want := range []string{"missing: c", "changed: b", "new: d"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, ": a") {
		t.Errorf("a did not change:\n%s", got)
	}
	if d := Differences(before, before); len(d) != 0 {
		t.Errorf("a snapshot differs from itself: %v", d)
	}
}
