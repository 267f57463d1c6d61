package chart

import (
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
)

// TestRecoverRelease goes through every record a killed call may leave.
func TestRecoverRelease(t *testing.T) {
	cases := map[string]struct {
		history []common.Status
		fresh   bool
		after   []common.Status
	}{
		"nothing":                {nil, true, nil},
		"deployed":               {[]common.Status{common.StatusDeployed}, false, []common.Status{common.StatusDeployed}},
		"killed in an install":   {[]common.Status{common.StatusPendingInstall}, true, nil},
		"failed install":         {[]common.Status{common.StatusFailed}, true, nil},
		"killed in an upgrade":   {[]common.Status{common.StatusDeployed, common.StatusPendingUpgrade}, false, []common.Status{common.StatusDeployed, common.StatusFailed}},
		"failed upgrade":         {[]common.Status{common.StatusDeployed, common.StatusFailed}, false, []common.Status{common.StatusDeployed, common.StatusFailed}},
		"killed in an uninstall": {[]common.Status{common.StatusUninstalling}, true, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			config := action.NewConfiguration()
			config.Releases = storage.Init(driver.NewMemory())
			for i, status := range c.history {
				one := &release.Release{Name: "x", Version: i + 1, Info: &release.Info{Status: status, LastDeployed: time.Now()}}
				if err := config.Releases.Create(one); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // a second call finds nothing to repair
				fresh, err := recoverRelease(config, "x")
				if err != nil || fresh != c.fresh {
					t.Fatalf("fresh %v, %v; want %v", fresh, err, c.fresh)
				}
			}
			for i, want := range c.after {
				got, err := config.Releases.Get("x", i+1)
				if err != nil || got.(*release.Release).Info.Status != want {
					t.Errorf("revision %d: %v, %v; want %s", i+1, got, err, want)
				}
			}
			if left, err := config.Releases.History("x"); err == nil && len(left) != len(c.after) {
				t.Errorf("%d records left, want %d", len(left), len(c.after))
			}
		})
	}
}
