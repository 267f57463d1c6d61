package backup

import "testing"

func goodVault() Vault {
	v := Vault{
		Storage:    []StorageSetting{{Tier: TierVault, Redundancy: "LocallyRedundant"}},
		SoftDelete: &SoftDelete{State: "AlwaysOn", Days: 14},
	}
	v.ID, v.Location = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/vault1", "eastus"
	return v
}

func TestVaultCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Vault)
		target string
	}{
		"as documented":       {func(*Vault) {}, ""},
		"two letters":         {func(v *Vault) { v.ID = "/x/ab" }, ""},
		"one letter":          {func(v *Vault) { v.ID = "/x/a" }, "name"},
		"begins with a digit": {func(v *Vault) { v.ID = "/x/1ab" }, "name"},
		"ends with a hyphen":  {func(v *Vault) { v.ID = "/x/ab-" }, "name"},
		"51 letters":          {func(v *Vault) { v.ID = "/x/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }, "name"},
		"no location":         {func(v *Vault) { v.Location = "" }, "location"},
		"no storage":          {func(v *Vault) { v.Storage = nil }, "storageSettings"},
		"13 days":             {func(v *Vault) { v.SoftDelete.Days = 13 }, "retentionDurationInDays"},
		"181 days":            {func(v *Vault) { v.SoftDelete.Days = 181 }, "retentionDurationInDays"},
		"off needs no days":   {func(v *Vault) { v.SoftDelete = &SoftDelete{State: "Off"} }, ""},
		"on without days":     {func(v *Vault) { v.SoftDelete = &SoftDelete{State: "On"} }, ""},
		"cross region local":  {func(v *Vault) { v.CrossRegion = "Enabled" }, "crossRegionRestoreSettings"},
		"cross region geo":    {func(v *Vault) { v.CrossRegion, v.Storage[0].Redundancy = "Enabled", "GeoRedundant" }, ""},
	} {
		v := goodVault()
		c.change(&v)
		checkProblem(t, name, v.Check(), CodeInvalidInput, c.target)
	}
}

func TestVaultCheckChange(t *testing.T) {
	geo := func(v *Vault) { v.Storage = []StorageSetting{{Tier: TierVault, Redundancy: "GeoRedundant"}} }
	for name, c := range map[string]struct {
		old, change func(*Vault)
		items       bool
		code        Code
		target      string
	}{
		"tags only":             {nil, func(v *Vault) { v.Tags = map[string]string{"a": "b"} }, true, "", ""},
		"moved":                 {nil, func(v *Vault) { v.Location = "westus" }, false, CodeLocationFixed, "location"},
		"region spelled out":    {nil, func(v *Vault) { v.Location = "East US" }, false, "", ""},
		"redundancy when empty": {nil, geo, false, "", ""},
		"redundancy in use":     {nil, geo, true, CodeInvalidInput, "storageSettings"},
		"soft delete off":       {nil, func(v *Vault) { v.SoftDelete = &SoftDelete{State: "Off"} }, false, CodeSoftDeleteAlwaysOn, "softDeleteSettings"},
		"soft delete forgotten": {nil, func(v *Vault) { v.SoftDelete = nil }, false, CodeSoftDeleteAlwaysOn, "softDeleteSettings"},
		"unlocked":              {func(v *Vault) { v.Immutability = "Locked" }, func(v *Vault) { v.Immutability = "Unlocked" }, false, CodeIrreversible, "immutabilitySettings"},
		"locked":                {func(v *Vault) { v.Immutability = "Unlocked" }, func(v *Vault) { v.Immutability = "Locked" }, false, "", ""},
		"restore allowed again": {func(v *Vault) { v.CrossSubscription = "PermanentlyDisabled" }, func(v *Vault) { v.CrossSubscription = "Enabled" }, false, CodeIrreversible, "crossSubscriptionRestoreSettings"},
		"cross region off":      {func(v *Vault) { geo(v); v.CrossRegion = "Enabled" }, func(v *Vault) { geo(v) }, false, CodeIrreversible, "crossRegionRestoreSettings"},
	} {
		old, v := goodVault(), goodVault()
		if c.old != nil {
			c.old(&old)
		}
		c.change(&v)
		checkProblem(t, name, v.CheckChange(old, c.items), c.code, c.target)
	}
}

func TestParseIdentityType(t *testing.T) {
	for text, want := range map[string]string{
		"": IdentityNone, "none": IdentityNone, "systemassigned": IdentitySystem,
		"UserAssigned": IdentityUser, "SystemAssigned, UserAssigned": IdentityBoth,
	} {
		if got, p := ParseIdentityType(text); p != nil || got != want {
			t.Errorf("%q = %q, %v", text, got, p)
		}
	}
	if _, p := ParseIdentityType("Mine"); p == nil {
		t.Error("an unknown identity type was accepted")
	}
}

func TestIDs(t *testing.T) {
	const id = "/subscriptions/S/resourceGroups/G/providers/Microsoft.DataProtection/backupVaults/V/backupPolicies/P"
	if !SameID(id, Key(id)+"/") || SameID(id, ParentID(id)) {
		t.Error("ids are compared without case and without a trailing slash")
	}
	if got := ParentID(id); got != id[:len(id)-len("/backupPolicies/P")] {
		t.Errorf("ParentID = %s", got)
	}
	if !within(id, Key(ParentID(id)), "backuppolicies") || within(id+"/x", ParentID(id), "backupPolicies") || within(id, ParentID(id)+"2", "backupPolicies") {
		t.Error("within takes a policy for that of another vault")
	}
}
