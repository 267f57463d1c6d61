package cli

import (
	"strings"
	"testing"
)

// A command given wrongly does nothing, says where help is, and does not succeed.
func TestCommandsGivenWrongly(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ args, want string }{
		{"backup-instance shw -n x", `"shw" is no command of 'holdfast backup-instance'; did you mean show?`},
		{"context nonsense", "see 'holdfast context --help'"},
		{"dataprotection backup-vault lst", "did you mean list?"},
		{"nonsense", `unknown command "nonsense"`},
		{"backup-instance show", `required flag(s) "name" not set`},
		{"backup", "see 'holdfast backup --help'"},
		{"status more", "see 'holdfast status --help'"},
		{"role assignment create --role r --scope s", "see 'holdfast role assignment create --help'"},
	} {
		if code, _, errs := f.run(strings.Fields(c.args)...); code != 2 || !strings.Contains(errs, c.want) || len(f.requests) > 0 {
			t.Errorf("%s: exit %d, requests %v\n%s", c.args, code, f.requests, errs)
		}
	}
	for _, group := range []string{"backup-instance", "context", "help backup", "backup-vault --help"} {
		if out := f.must(strings.Fields(group)...); !strings.Contains(out, "Usage:") {
			t.Errorf("%s prints no help: %s", group, out)
		}
	}
}

// The verbs that every noun has say of what, where they are listed and in their help.
func TestCommonVerbsNameTheirNoun(t *testing.T) {
	f := newFixture(t)
	for line, want := range map[string]string{
		"backup-instance --help":      "List all: backup instances",
		"storage account show --help": "Show one: storage accounts",
	} {
		if out := f.must(strings.Fields(line)...); !strings.Contains(out, want) {
			t.Errorf("%s: no %q in\n%s", line, want, out)
		}
	}
}
