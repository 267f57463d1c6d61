package backup

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsKnownOfDamageAfterAVerification(t *testing.T) {
	first, later := time.Unix(1, 0), time.Unix(2, 0)
	a := &Damage{Found: first, Reason: CodeVaultDataMissing, Volumes: []string{"shop/a"}}
	b := &Damage{Found: later, Reason: CodeVaultDataDamaged, Volumes: []string{"shop/b"}}
	for name, c := range map[string]struct {
		old, found *Damage
		all        bool
		want       *Damage
	}{
		"nothing":             {nil, nil, false, nil},
		"new":                 {nil, a, false, a},
		"a sample missed it":  {a, nil, false, a},
		"it was healed":       {a, nil, true, nil},
		"a sample found more": {a, b, false, &Damage{Found: first, Reason: CodeVaultDataDamaged, Volumes: []string{"shop/a", "shop/b"}}},
		"another is left":     {a, b, true, &Damage{Found: first, Reason: CodeVaultDataDamaged, Volumes: []string{"shop/b"}}},
	} {
		got := c.found.After(c.old, c.all)
		if diff := cmp.Diff(c.want, got); diff != "" || !got.Same(c.want) {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if len(a.Volumes) != 1 || len(b.Volumes) != 1 {
		t.Error("the arguments were changed")
	}
}

func TestDamageAdds(t *testing.T) {
	var d Damage
	for _, v := range []string{"b/b", "a/a", "b/b", ""} {
		d.Add(v)
	}
	if !d.Objects || !cmp.Equal(d.Volumes, []string{"a/a", "b/b"}) {
		t.Errorf("%+v", d)
	}
}

// What is not whole is refused, what is left of the recovery point is not.
func TestRestoreOfADamagedPoint(t *testing.T) {
	point := func(d *Damage) *RecoveryPoint {
		return &RecoveryPoint{Meta: Meta{ID: "/i/recoveryPoints/p"}, Namespaces: []string{"shop", "other"},
			Stores: []RecoveryStore{{Tier: TierVault, Damage: d}, {Tier: TierOperational}}}
	}
	volume, objects := &Damage{Reason: CodeVaultDataMissing, Volumes: []string{"shop/data"}}, &Damage{Objects: true}
	for name, c := range map[string]struct {
		damage  *Damage
		request RestoreRequest
		refused bool
	}{
		"whole":                {nil, RestoreRequest{Tier: TierVault, VolumeMode: WithVolumeData}, false},
		"a volume":             {volume, RestoreRequest{Tier: TierVault, VolumeMode: WithVolumeData}, true},
		"its namespace":        {volume, RestoreRequest{Tier: TierVault, VolumeMode: WithVolumeData, Selection: Selection{IncludedNamespaces: []string{"shop"}}}, true},
		"another namespace":    {volume, RestoreRequest{Tier: TierVault, VolumeMode: WithVolumeData, Selection: Selection{IncludedNamespaces: []string{"other"}}}, false},
		"without it":           {volume, RestoreRequest{Tier: TierVault, VolumeMode: WithVolumeData, Selection: Selection{ExcludedNamespaces: []string{"shop"}}}, false},
		"objects only":         {volume, RestoreRequest{Tier: TierVault, VolumeMode: WithoutVolumeData}, false},
		"the objects are not":  {objects, RestoreRequest{Tier: TierVault, VolumeMode: WithoutVolumeData}, true},
		"from the other place": {objects, RestoreRequest{Tier: TierOperational, VolumeMode: WithVolumeData}, false},
	} {
		problem := c.request.CheckAgainst(point(c.damage))
		if (problem != nil) != c.refused || c.refused && (problem.Code != CodePointDamaged || len(problem.Actions) == 0) {
			t.Errorf("%s: %+v", name, problem)
		}
	}
}
