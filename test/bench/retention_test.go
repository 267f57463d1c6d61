package main

import (
	"path/filepath"
	"regexp"
	"testing"
)

// The service looks at every recovery point of a small catalog, and finds them all.
func TestRetentionLooks(t *testing.T) {
	p := apiPlace{Dir: filepath.Join(t.TempDir(), "data"), Instances: 3}
	if err := p.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := p.measureLooks(t.Context(), "retention-look-sqlite")
	if err != nil {
		t.Fatal(err)
	}
	if want := regexp.MustCompile(`^bench retention-look-sqlite [0-9.e+-]+ s ratio=[0-9]+\.[0-9]{2} peer=read-them rss=[0-9]+\n$`); !want.MatchString(got) {
		t.Errorf("%q", got)
	}
}
