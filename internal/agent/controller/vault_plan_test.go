package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/repo"
)

func protected(claim string) agentv1.Volume {
	return agentv1.Volume{Namespace: "a", Claim: claim, State: agentv1.VolumeProtected, Driver: "d", SnapshotHandle: "s-" + claim,
		VolumeHandle: "v-" + claim, ClaimUID: "u-" + claim, VolumeMode: "Filesystem", SizeBytes: 10 << 30}
}

func TestPlanVault(t *testing.T) {
	skipped := agentv1.Volume{Namespace: "a", Claim: "z", State: agentv1.VolumeSkipped, ReasonCode: "Before"}
	noHandle := protected("h")
	noHandle.SnapshotHandle = ""
	cases := map[string]struct {
		volumes []agentv1.Volume
		limits  agentv1.VaultLimits
		want    []string // reason codes
	}{
		"all":          {[]agentv1.Volume{protected("x"), protected("y"), skipped}, agentv1.VaultLimits{}, []string{"", "", "Before"}},
		"too large":    {[]agentv1.Volume{protected("x")}, agentv1.VaultLimits{VolumeBytes: 10<<30 - 1}, []string{CodeVaultTooLarge}},
		"just fits":    {[]agentv1.Volume{protected("x")}, agentv1.VaultLimits{VolumeBytes: 10 << 30}, []string{""}},
		"too many":     {[]agentv1.Volume{protected("x"), skipped, protected("y")}, agentv1.VaultLimits{Volumes: 1}, []string{"", "Before", CodeVaultTooMany}},
		"no snapshot":  {[]agentv1.Volume{noHandle}, agentv1.VaultLimits{}, []string{CodeVaultNoData}},
		"left over":    {nil, agentv1.VaultLimits{}, nil},
		"none allowed": {[]agentv1.Volume{noHandle, protected("x")}, agentv1.VaultLimits{Volumes: 1}, []string{CodeVaultNoData, ""}},
	}
	for name, c := range cases {
		var got []string
		for _, item := range planVault(c.volumes, nil, c.limits) {
			got = append(got, item.volume.ReasonCode)
			if (item.volume.ReasonCode == "") != (item.volume.State == agentv1.VolumeProtected) {
				t.Errorf("%s: %+v", name, item.volume)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A base is taken of the same volume only: whatever differs, everything is read.
func TestBaseOf(t *testing.T) {
	before := func(change func(*agentv1.Volume)) *repo.Manifest {
		v := protected("x")
		v.SnapshotHandle, v.Stream = "s-earlier", "volumes/a/x"
		change(&v)
		return &repo.Manifest{ID: "p", Volumes: []repo.Volume{storedVolume(v)}}
	}
	want := &mover.Base{RecoveryPoint: "p", Stream: "volumes/a/x"}
	cases := map[string]struct {
		change func(*agentv1.Volume)
		want   *mover.Base
	}{
		"the same":        {func(*agentv1.Volume) {}, want},
		"another claim":   {func(v *agentv1.Volume) { v.Claim = "y" }, nil},
		"another space":   {func(v *agentv1.Volume) { v.Namespace = "b" }, nil},
		"another volume":  {func(v *agentv1.Volume) { v.VolumeHandle = "other" }, nil},
		"another driver":  {func(v *agentv1.Volume) { v.Driver = "other" }, nil},
		"no snapshot":     {func(v *agentv1.Volume) { v.SnapshotHandle = "" }, want},
		"same snapshot":   {func(v *agentv1.Volume) { v.SnapshotHandle = "s-x" }, want},
		"made anew":       {func(v *agentv1.Volume) { v.ClaimUID = "other" }, nil},
		"another mode":    {func(v *agentv1.Volume) { v.VolumeMode = "Block" }, nil},
		"no stream there": {func(v *agentv1.Volume) { v.Stream = "" }, nil},
		"unknown volume":  {func(v *agentv1.Volume) { v.VolumeHandle = "" }, nil},
	}
	for name, c := range cases {
		base, handle := baseOf(protected("x"), before(c.change))
		if diff := cmp.Diff(c.want, base); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if (handle != "") != (name == "the same") {
			t.Errorf("%s: changes since %q", name, handle)
		}
	}
	if base, _ := baseOf(protected("x"), nil); base != nil {
		t.Error("a base out of nothing")
	}
}

func TestVaultManifest(t *testing.T) {
	operational := protected("x")
	from := repo.Manifest{ID: "p", Version: 1, Root: "old", Instance: "i", Facts: map[string]string{factNamespaces: "a", factBytesStored: "5", agentv1.FactKept: "kept"},
		Streams:  []repo.StreamRef{{Name: "objects", Type: repo.TypeArchive, Records: 3}},
		Volumes:  []repo.Volume{storedVolume(operational), storedVolume(protected("y"))},
		Warnings: []repo.Warning{{Code: "W"}}}
	items := planVault(volumesOf(from), nil, agentv1.VaultLimits{Volumes: 1})
	items[0].stream = &repo.StreamRef{Name: streamName(operational), Type: repo.TypeVolume, Length: 7}
	m := vaultManifest(from, []repo.StreamRef{{Name: "objects", Type: repo.TypeArchive, Records: 3}}, items,
		[]agentv1.Warning{{Resource: "r", Problem: agentv1.Problem{Code: "V"}}}, 42)
	if m.Root != "" || m.ID != "p" || m.Facts[agentv1.FactKept] != "kept" || len(m.Streams) != 2 || len(m.Warnings) != 2 || m.Warnings[1].Code != "V" {
		t.Errorf("%+v", m)
	}
	if m.Volumes[0].Stream != "volumes/a/x" || !m.Volumes[0].Protected || m.Volumes[1].Protected || m.Volumes[1].ReasonCode != CodeVaultTooMany {
		t.Errorf("%+v", m.Volumes)
	}
	if got := resultOf(m); got.BytesStored != 42 || got.Volumes[0].Stream == "" || got.Objects != 3 {
		t.Errorf("%+v", got)
	}
	if from.Facts[factBytesStored] != "5" || len(from.Warnings) != 1 || len(left(items)) != 1 {
		t.Error("the operational manifest was changed")
	}
}
