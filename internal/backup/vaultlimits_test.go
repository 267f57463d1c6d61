package backup

import (
	"strings"
	"testing"
)

func number(n int64) *int64 { return &n }

// What a policy says goes before its profile, and that before the service.
func TestVaultBounds(t *testing.T) {
	service := VaultBounds{VolumeBytes: 5, Volumes: 6, BytesPerSecond: 7}
	for name, c := range map[string]struct {
		limits *VaultLimits
		want   VaultBounds
	}{
		"nothing said":       {nil, service},
		"nothing in it":      {&VaultLimits{}, service},
		"Azure":              {&VaultLimits{Profile: "Azure"}, VaultBounds{1 << 40, 100, 7}},
		"Unlimited":          {&VaultLimits{Profile: "Unlimited"}, VaultBounds{0, 0, 7}},
		"Azure, any number":  {&VaultLimits{Profile: "Azure", Volumes: number(0)}, VaultBounds{1 << 40, 0, 7}},
		"a size":             {&VaultLimits{VolumeBytes: number(9)}, VaultBounds{9, 6, 7}},
		"everything":         {&VaultLimits{"Azure", number(1), number(2), number(3)}, VaultBounds{1, 2, 3}},
		"as fast as can be":  {&VaultLimits{BytesPerSecond: number(0)}, VaultBounds{5, 6, 0}},
		"more than Azure is": {&VaultLimits{Profile: "Azure", VolumeBytes: number(1 << 50)}, VaultBounds{1 << 50, 100, 7}},
	} {
		if got := c.limits.Bounds(service); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestVaultLimitsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		limits VaultLimits
		target string // of the problem, its end; empty means that the policy is fine
		remedy string // is part of what is recommended
	}{
		"empty":             {VaultLimits{}, "", ""},
		"Azure":             {VaultLimits{Profile: "Azure"}, "", ""},
		"no limit":          {VaultLimits{VolumeBytes: number(0), Volumes: number(0), BytesPerSecond: number(0)}, "", ""},
		"unknown profile":   {VaultLimits{Profile: "AWS"}, "holdfastVaultLimits.profile", "Azure, Unlimited"},
		"less than nothing": {VaultLimits{VolumeBytes: number(-1)}, "holdfastVaultLimits.maxVolumeSizeInBytes", "0 is no limit"},
		"negative number":   {VaultLimits{Volumes: number(-1)}, "holdfastVaultLimits.maxVolumes", "0 is no limit"},
		"too many":          {VaultLimits{Volumes: number(1 << 40)}, "holdfastVaultLimits.maxVolumes", "0 for no limit"},
		"backwards":         {VaultLimits{BytesPerSecond: number(-1)}, "holdfastVaultLimits.maxBytesPerSecond", "0 is no limit"},
	} {
		policy := goodPolicy()
		policy.VaultLimits = &c.limits
		problem := policy.Check()
		checkProblem(t, name, problem, CodeInvalidInput, c.target)
		if problem != nil && !strings.Contains(strings.Join(problem.Actions, " "), c.remedy) {
			t.Errorf("%s: %v is recommended, want %q", name, problem.Actions, c.remedy)
		}
	}
	plain := goodPolicy()
	plain.Rules[1].Retention.Lifecycles = plain.Rules[2].Retention.Lifecycles
	plain.VaultLimits = &VaultLimits{Profile: "Azure"}
	checkProblem(t, "without a vault", plain.Check(), CodeInvalidInput, "properties.holdfastVaultLimits")
}

// Other limits are another policy: one that is in use is not changed.
func TestVaultLimitsAreOfThePolicy(t *testing.T) {
	a, b := goodPolicy(), goodPolicy()
	a.VaultLimits, b.VaultLimits = &VaultLimits{Volumes: number(1)}, &VaultLimits{Volumes: number(1)}
	if !a.SameRules(b) {
		t.Error("the same limits are others")
	}
	if b.VaultLimits.Volumes = number(2); a.SameRules(b) {
		t.Error("other limits were overlooked")
	}
}
