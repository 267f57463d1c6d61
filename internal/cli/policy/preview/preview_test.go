package preview_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/policy/preview"
)

var update = flag.Bool("update", false, "write the golden files anew")

// run runs the command as it is run without a service.
func run(t *testing.T, output string, args ...string) (string, error) {
	t.Helper()
	out := &bytes.Buffer{}
	c := &console.Console{Out: out, Err: out, Output: output}
	cmd := preview.Command(c, func(string) (string, error) { return "", errors.New("no service") })
	cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is shown (-update writes it anew):\n%s", name, got)
	}
}

const file = "testdata/grandfather.json"

func TestCalendarForPeople(t *testing.T) {
	out, err := run(t, "table", "--policy", file, "--from", "2026-11-25", "--at", "2028-03-09", "--recovery-points")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/grandfather.golden", out)
}

// What programs read says the same, with reasons.
func TestForecastForPrograms(t *testing.T) {
	out, err := run(t, "json", "--policy", file, "--from", "2026-11-25", "--at", "2028-03-09")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		TimeZone string
		Tiers    []struct {
			Tier                                 string
			RecoveryPoints, AtMost, LimitPerDisk int
		}
		Tags []struct {
			Tag, Tier, DeleteAfter string
			RecoveryPoints         int
		}
		RecoveryPoints []struct {
			Tag, Reason        string
			Operational, Vault *struct{ Until, Reason string }
		}
	}
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		t.Fatal(err)
	}
	if f.TimeZone != "Europe/Berlin" || len(f.Tiers) != 2 || f.Tiers[0].LimitPerDisk != 500 || f.Tiers[0].RecoveryPoints != 42 {
		t.Errorf("zone %s, tiers %+v", f.TimeZone, f.Tiers)
	}
	counts := map[string]int{}
	for _, c := range f.Tags {
		counts[c.Tag+" "+c.Tier] = c.RecoveryPoints
	}
	if counts["Yearly VaultStore"] != 3 || counts["Monthly VaultStore"] != 11 || counts["Weekly VaultStore"] == 0 || counts["Default OperationalStore"] == 0 {
		t.Errorf("counts %v", counts)
	}
	for _, p := range f.RecoveryPoints {
		if p.Reason == "" || p.Operational == nil && p.Vault == nil {
			t.Errorf("%+v", p)
		}
	}
	yaml, err := run(t, "yaml", "--policy", file, "--from", "2026-11-25", "--at", "2026-11-26")
	if err != nil || !strings.Contains(yaml, "recoveryPoints:") {
		t.Errorf("%v: %s", err, yaml)
	}
}

// More snapshots of a disk than Azure allows are foretold.
func TestTooManySnapshotsAreForetold(t *testing.T) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.ReplaceAll(string(raw), `"duration": "P7D"`, `"duration": "P90D"`)
	out, err := run(t, "table", "--policy", long, "--from", "2026-11-25", "--at", "2027-06-01")
	if err != nil || !strings.Contains(out, "at most 540") || !strings.Contains(out, "warning: a disk of Azure has at most 500 snapshots") {
		t.Errorf("%v: %s", err, out)
	}
}

// A document is refused for what the service would refuse it for.
func TestRefused(t *testing.T) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hourly := strings.ReplaceAll(string(raw), "PT4H", "PT1H")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"neither":      {nil, "--name"},
		"both":         {[]string{"--policy", file, "--name", "p"}, "--name"},
		"no policy":    {[]string{"--policy", "{}"}, "objectType"},
		"too often":    {[]string{"--policy", hourly}, "backups every PT1H are not possible"},
		"odd day":      {[]string{"--policy", file, "--from", "tomorrow"}, "--from"},
		"backwards":    {[]string{"--policy", file, "--from", "2027-01-02", "--at", "2027-01-01"}, "must be after"},
		"too far":      {[]string{"--policy", file, "--from", "2027-01-02", "--at", "2099-01-01"}, "at most 50 years"},
		"beyond dates": {[]string{"--policy", file, "--from", "9999-01-01"}, "a day such as"},
		"no service":   {[]string{"--name", "p"}, "no service"},
		"not a shape":  {[]string{"--policy", `{"policyRules":3}`}, "not a policy"},
	} {
		if out, err := run(t, "json", c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q; %s", name, err, c.want, out)
		}
	}
}
