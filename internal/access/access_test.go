package access

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/resourceid"
)

const (
	group    = "/subscriptions/s/resourceGroups/rg"
	vault    = group + "/providers/Microsoft.DataProtection/backupVaults/v"
	instance = vault + "/backupInstances/i"
	dp       = "Microsoft.DataProtection/backupVaults/"
)

func assign(role, scope string) Assignment {
	r, ok := RoleByName(role)
	if !ok {
		panic(role)
	}
	return Assignment{PrincipalID: "P", RoleID: r.ID, Scope: resourceid.MustParse(scope)}
}

func TestBuiltInRoles(t *testing.T) {
	const (
		Own, Con, Rea, UAA, BC, BO, BR = "Owner", "Contributor", "Reader", "User Access Administrator", "Backup Contributor", "Backup Operator", "Backup Reader"
	)
	every := []string{Own, Con, Rea, UAA, BC, BO, BR}
	for action, allowed := range map[string][]string{
		dp + "read":                                                       every,
		dp + "write":                                                      {Own, Con, BC},
		dp + "delete":                                                     {Own, Con},
		dp + "backupPolicies/read":                                        every,
		dp + "backupPolicies/write":                                       {Own, Con, BC},
		dp + "backupPolicies/delete":                                      {Own, Con, BC},
		dp + "backupInstances/read":                                       every,
		dp + "backupInstances/write":                                      {Own, Con, BC},
		dp + "backupInstances/delete":                                     {Own, Con, BC},
		dp + "backupInstances/backup/action":                              {Own, Con, BC, BO},
		dp + "backupInstances/restore/action":                             {Own, Con, BC, BO},
		dp + "backupInstances/validateRestore/action":                     {Own, Con, BC, BO, BR},
		dp + "validateForBackup/action":                                   {Own, Con, BC, BO, BR},
		dp + "backupInstances/stopProtection/action":                      {Own, Con},
		dp + "backupInstances/sync/action":                                {Own, Con},
		dp + "backupJobs/read":                                            every,
		dp + "backupJobs/cancel/action":                                   {Own, Con, BC, BO},
		dp + "verify/action":                                              {Own, Con, BC, BO},
		dp + "collect/action":                                             {Own, Con, BC},
		dp + "repair/action":                                              {Own, Con, BC},
		dp + "deletedBackupInstances/undelete/action":                     {Own, Con, BC},
		"Microsoft.DataProtection/locations/operationStatus/read":         every,
		"Microsoft.DataProtection/locations/checkNameAvailability/action": {Own, Con, BC},
		"Microsoft.DataProtection/subscriptions/resourceGroups/providers/locations/crossRegionRestore/action": {Own, Con, BC, BO},
		"Microsoft.Authorization/roleAssignments/read":                                                        every,
		"Microsoft.Authorization/roleAssignments/write":                                                       {Own, UAA},
		"Microsoft.Authorization/roleAssignments/delete":                                                      {Own, UAA},
		"Microsoft.Resources/subscriptions/resourceGroups/write":                                              {Own, Con},
		"Microsoft.Resources/subscriptions/resourceGroups/read":                                               {Own, Con, Rea, UAA, BC, BO},
	} {
		for _, role := range every {
			want := strings.Contains("|"+strings.Join(allowed, "|")+"|", "|"+role+"|")
			got := Decide(Principal{ObjectID: "p"}, []Assignment{assign(role, vault)}, action, resourceid.MustParse(instance))
			if got.Allowed != want {
				t.Errorf("%s %s: %+v", role, action, got)
			}
			if got.Reason == "" {
				t.Errorf("%s %s: no reason", role, action)
			}
		}
	}
}

func TestDataActions(t *testing.T) {
	const objects = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
	p, scope := Principal{ObjectID: "p"}, resourceid.MustParse(group+"/providers/Microsoft.Storage/storageAccounts/a")
	for _, c := range []struct {
		role, action string
		want         bool
	}{
		{"Storage Blob Data Reader", objects + "read", true},
		{"Storage Blob Data Reader", objects + "write", false},
		{"Storage Blob Data Contributor", objects + "write", true},
		{"Storage Blob Data Owner", objects + "anything/action", true},
		{"Owner", objects + "read", false}, // Owner is no right to read data
		{"Data Operator for Managed Disks", "Microsoft.Compute/snapshots/download/action", true},
	} {
		if got := DecideData(p, []Assignment{assign(c.role, group)}, c.action, scope); got.Allowed != c.want {
			t.Errorf("%s %s: %+v", c.role, c.action, got)
		}
	}
	if Decide(p, []Assignment{assign("Storage Blob Data Contributor", group)}, objects+"read", scope).Allowed {
		t.Error("a data action was granted as another")
	}
}

func TestDenials(t *testing.T) {
	owner := assign("Owner", group)
	for _, c := range []struct {
		name          string
		who           Principal
		given         []Assignment
		action, scope string
		says          string
	}{
		{"nobody", Principal{}, []Assignment{owner}, dp + "read", vault, "not known"},
		{"empty id in an assignment", Principal{}, []Assignment{{RoleID: owner.RoleID}}, dp + "read", vault, "not known"},
		{"another", Principal{ObjectID: "q"}, []Assignment{owner}, dp + "read", vault, "no role is assigned"},
		{"elsewhere", Principal{ObjectID: "p"}, []Assignment{owner}, dp + "read", "/subscriptions/s/resourceGroups/rg2", "no role is assigned"},
		{"above", Principal{ObjectID: "p"}, []Assignment{owner}, dp + "read", "/subscriptions/s", "no role is assigned"},
		{"no action", Principal{ObjectID: "p"}, []Assignment{owner}, "", vault, "Owner"},
		{"unknown role", Principal{ObjectID: "p"}, []Assignment{{PrincipalID: "p", RoleID: "x", Scope: resourceid.Root}}, dp + "read", vault, "no role"},
		{"role too small", Principal{ObjectID: "p"}, []Assignment{assign("Reader", "/")}, dp + "write", vault, `"Reader"`},
	} {
		if got := Decide(c.who, c.given, c.action, resourceid.MustParse(c.scope)); got.Allowed || !strings.Contains(got.Reason, c.says) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestGroups(t *testing.T) {
	p := Principal{ObjectID: "q", Groups: []string{"", "P"}}
	if d := Decide(p, []Assignment{assign("Reader", "/")}, dp+"read", resourceid.MustParse(vault)); !d.Allowed {
		t.Error(d.Reason)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, action string
		want            bool
	}{
		{"*", "a/b/read", true}, {"*/read", "A/B/READ", true}, {"*/read", "a/b/write", false}, {"*/read", "read", false},
		{"a/*/c", "a/b/b/c", true}, {"a/*/c", "a/c", false}, {"a/b", "a/b", true}, {"a/b", "a/b/c", false}, {"", "a", false}, {"", "", true},
		{"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false}, {"**", "", true},
	} {
		if got := Match(c.pattern, c.action); got != c.want {
			t.Errorf("%q %q: %v", c.pattern, c.action, got)
		}
	}
}

// A pattern matches exactly the texts that its stars can be filled in to make.
func TestMatchProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.StringMatching(`[ab/]{0,3}`), 1, 5).Draw(t, "pieces")
		text := pieces[0]
		for _, p := range pieces[1:] {
			text += rapid.StringMatching(`[ab/]{0,4}`).Draw(t, "star") + p
		}
		pattern := strings.Join(pieces, "*")
		if !Match(pattern, text) {
			t.Fatalf("%q does not match %q", pattern, text)
		}
		if !Match(strings.ToUpper(pattern), text) {
			t.Fatal("case matters")
		}
		if Match(pattern, text+"!") && !strings.HasSuffix(pattern, "*") {
			t.Fatalf("%q matches a longer text", pattern)
		}
	})
}

// What is allowed at a scope is allowed below it, and never beside it; more
// assignments never take anything away.
func TestScopeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roles := Roles()
		role := roles[rapid.IntRange(0, len(roles)-1).Draw(t, "role")]
		action := rapid.SampledFrom([]string{dp + "read", dp + "write", dp + "delete", "Microsoft.Authorization/roleAssignments/write"}).Draw(t, "action")
		scopes := []string{"/", "/subscriptions/s", group, vault, instance}
		at := rapid.IntRange(0, 4).Draw(t, "assigned at")
		asked := rapid.IntRange(0, 4).Draw(t, "asked at")
		p := Principal{ObjectID: "p"}
		given := []Assignment{{PrincipalID: "P", RoleID: role.ID, Scope: resourceid.MustParse(scopes[at])}}
		got := Decide(p, given, action, resourceid.MustParse(scopes[asked])).Allowed
		if want := asked >= at && role.Allows(action); got != want {
			t.Fatalf("%s at %s, asked at %s: %v", role.Name, scopes[at], scopes[asked], got)
		}
		more := append(given, Assignment{PrincipalID: "p", RoleID: roles[0].ID, Scope: resourceid.MustParse("/subscriptions/other")})
		if got && !Decide(p, more, action, resourceid.MustParse(scopes[asked])).Allowed {
			t.Fatal("an assignment took a right away")
		}
	})
}

func TestRolesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Roles() {
		if seen[r.ID] || seen[r.Name] || len(r.ID) != 36 || r.Description == "" {
			t.Errorf("%s %s", r.ID, r.Name)
		}
		seen[r.ID], seen[r.Name] = true, true
		if found, ok := RoleByID(strings.ToUpper(r.ID)); !ok || found.Name != r.Name {
			t.Errorf("%s is not found by its id", r.Name)
		}
	}
}
