package main

import (
	"testing"

	"holdfast.dev/holdfast/test/written"
)

// Every command line in the README and the documents is taken.
func TestDocumentsParse(t *testing.T) {
	lines, err := written.Documents("holdfastd", "../..")
	if err != nil || len(lines) < 20 {
		t.Errorf("%d command lines were found, %v", len(lines), err)
	}
	for _, l := range lines {
		if err := written.Check(command(), l); err != nil {
			t.Errorf("%s: holdfastd %s: %v", l.Where, l, err)
		}
	}
}
