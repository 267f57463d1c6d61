package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestKeysRotate(t *testing.T) {
	dir := t.TempDir()
	if _, errs, err := holdfastd("migrate", "--data-dir", dir); err != nil {
		t.Fatal(err, errs)
	}
	fresh := "file://" + filepath.Join(dir, "kek2")
	if out, errs, err := holdfastd("keys", "rotate", "--data-dir", dir, "--key-provider", fresh); err != nil || !strings.HasPrefix(out, "ACTION") {
		t.Errorf("%v %s\n%s", err, errs, out)
	}
	for want, args := range map[string][]string{
		"key file":            {"--key-provider", fresh, "--old-key-provider", "file://" + filepath.Join(dir, "absent")},
		"key provider is not": {"--key-provider", "https://vault"},
	} {
		_, errs, err := holdfastd(append([]string{"keys", "rotate", "--dry-run", "--data-dir", dir}, args...)...)
		if err == nil || !strings.Contains(errs, want) {
			t.Errorf("%v: %v %s", args, err, errs)
		}
	}
}
