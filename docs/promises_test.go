// Package docs has the documentation for people, and what holds it to the code.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	named    = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	declared = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
)

// Every test that promises.md names exists, every line of its tables has one, and no
// test of a promise is missing there.
func TestPromisesHaveTheirTests(t *testing.T) {
	page, err := os.ReadFile("promises.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOf(t, "..")
	var told []string
	for _, line := range strings.Split(string(page), "\n") {
		found := named.FindAllStringSubmatch(line, -1)
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| Promise |") && len(found) == 0 {
			t.Errorf("a promise without a test: %s", line)
		}
		for _, m := range found {
			told = append(told, m[1])
			if !tests[m[1]] {
				t.Errorf("there is no test %s", m[1])
			}
		}
	}
	for name := range tests {
		if strings.HasPrefix(name, "TestFAQ") && !slices.Contains(told, name) {
			t.Errorf("promises.md does not know %s", name)
		}
	}
}

// testsOf are the names of the tests of this module.
func testsOf(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, room := range []string{"api", "client", "cmd", "internal", "test"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
				names[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
