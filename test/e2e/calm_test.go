//go:build e2e

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
)

// schedule is that of all policies of the scripts, whenever it begins.
var schedule = regexp.MustCompile(`R/[0-9T:+-]+/PT4H`)

// calm lets the schedules of a policy begin when the scripts do: so nothing is due
// before they are over, whatever time of day it is. Years that are lived through
// have their own schedule.
func (p *player) calm(policy []byte) []byte {
	if p.Program != "" {
		return policy
	}
	return schedule.ReplaceAll(policy, []byte("R/"+p.begin.UTC().Format("2006-01-02T15:04:05+00:00")+"/PT4H"))
}

// calmFile does so with a file.
func (p *player) calmFile(name string) error {
	policy, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, p.calm(policy), 0o600)
}

// calmAll does so with all files of a script.
func (p *player) calmAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return p.calmFile(path)
	})
}

func (p *player) calmly(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(p.calmFile(ts.MkAbs(args[0])))
}
