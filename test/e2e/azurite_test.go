//go:build e2e

package e2e

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast.dev/holdfast/test/azurite"
)

// azurite starts Azurite at the address by which pods reach this machine.
func (p *player) azurite(ts *testscript.TestScript, _ bool, _ []string) {
	dir := ts.MkAbs("azurite")
	ts.Check(os.MkdirAll(dir, 0o700))
	s, err := azurite.Run(p.ctx, azurite.Options{Dir: dir, Host: p.Host})
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Stop()) })
	ts.Setenv("AZURITE_URL", s.URL)
	ts.Setenv("AZURITE_ACCOUNT", azurite.Account)
	ts.Setenv("AZURITE_KEY", azurite.Key)
}
