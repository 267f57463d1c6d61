package backup

import (
	"strings"
	"testing"
	"time"
)

func TestRegionsThatDoNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		regions Regions
		says    string
	}{
		"none":            {nil, ""},
		"a pair":          {Regions{{Name: "east", Paired: "west"}, {Name: "west", Replicas: true}}, ""},
		"both ways":       {Regions{{"east", "west", true}, {"west", "east", true}}, ""},
		"spelled oddly":   {Regions{{Name: "East US"}}, "lower-case"},
		"nameless":        {Regions{{}}, "lower-case"},
		"twice":           {Regions{{Name: "east"}, {Name: "east"}}, "twice"},
		"with itself":     {Regions{{"east", "east", true}}, "itself"},
		"with nobody":     {Regions{{Name: "east", Paired: "west"}}, "add it"},
		"without a store": {Regions{{Name: "east", Paired: "west"}, {Name: "west"}}, "no replicaStore"},
		"useless store":   {Regions{{Name: "west", Replicas: true}}, "no region is paired"},
	} {
		p := c.regions.Check()
		if got := problemText(p); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
	}
}

func problemText(p *Problem) string {
	if p == nil {
		return ""
	}
	return p.Message
}

func TestReplicaRegion(t *testing.T) {
	regions := Regions{{Name: "east", Paired: "west"}, {Name: "west", Replicas: true}}
	vault := Vault{Meta: Meta{Location: "East"}, CrossRegion: "Enabled", Storage: []StorageSetting{{TierVault, "GeoRedundant"}}}
	if got := vault.ReplicaRegion(regions); got != "west" {
		t.Errorf("replicated into %q", got)
	}
	for name, change := range map[string]func(*Vault){
		"local":    func(v *Vault) { v.Storage = []StorageSetting{{TierVault, "LocallyRedundant"}} },
		"off":      func(v *Vault) { v.CrossRegion = "Disabled" },
		"unpaired": func(v *Vault) { v.Location = "west" },
		"unknown":  func(v *Vault) { v.Location = "north" },
	} {
		other := vault
		change(&other)
		if got := other.ReplicaRegion(regions); got != "" {
			t.Errorf("%s: replicated into %q", name, got)
		}
	}
}

// What cannot be taken back is not turned on where it does nothing; where it is on
// already, a vault can still be changed.
func TestCrossRegionNeedsAPair(t *testing.T) {
	vault := Vault{Meta: Meta{Location: "north"}, CrossRegion: "Enabled"}
	if p := vault.CheckRegion(nil, nil); p == nil || len(p.Actions) == 0 {
		t.Errorf("taken: %v", p)
	}
	if p := vault.CheckRegion(&vault, nil); p != nil {
		t.Error(p)
	}
	if p := vault.CheckRegion(nil, Regions{{Name: "north", Paired: "south"}}); p != nil {
		t.Error(p)
	}
}

func TestSumReplicas(t *testing.T) {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	replica := func(name string, hour int, took time.Duration) Replica {
		r := Replica{Meta: Meta{ID: "/i/recoveryPoints/" + name}, Region: "west", Time: at.Add(time.Duration(hour) * time.Hour)}
		r.Due = r.Time.Add(time.Minute)
		if took > 0 {
			r.Done = r.Due.Add(took)
		}
		return r
	}
	stuck := replica("c", 3, 0)
	stuck.Problem = NewProblem(CodeInternal, "", "no")
	sum, ok := SumReplicas([]Replica{replica("d", 4, 0), stuck, replica("b", 2, 5*time.Minute), replica("a", 1, time.Hour)})
	if !ok || sum.Newest != "b" || sum.Lag != 5*time.Minute || sum.Pending != 2 || !sum.Since.Equal(stuck.Due) || sum.Problem == nil || sum.Region != "west" {
		t.Errorf("sum = %+v", sum)
	}
	now := stuck.Due.Add(ReplicaLimit)
	if sum.Late(now) || !sum.Late(now.Add(1)) {
		t.Error("late at the wrong time")
	}
	if got := sum.Age(at.Add(3 * time.Hour)); got != time.Hour {
		t.Errorf("age %s", got)
	}
	if _, ok := SumReplicas(nil); ok {
		t.Error("a sum of nothing")
	}
}
