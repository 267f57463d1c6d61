package backup

import (
	"strings"
	"testing"
	"time"
)

func stagedRestore() *RestoreRequest {
	r := goodRestore()
	r.Tier, r.StagingGroupID, r.StagingAccountID = TierVault, testGroup, testAccount
	return &r
}

func TestStagingIsGivenWholeOrNotAtAll(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*RestoreRequest)
		target string
	}{
		"both":           {func(*RestoreRequest) {}, ""},
		"kept":           {func(r *RestoreRequest) { r.KeepStaging = true }, ""},
		"no group":       {func(r *RestoreRequest) { r.StagingGroupID = "" }, "stagingResourceGroupId"},
		"no account":     {func(r *RestoreRequest) { r.StagingAccountID = "" }, "stagingStorageAccountId"},
		"nothing's kept": {func(r *RestoreRequest) { r.StagingGroupID, r.StagingAccountID, r.KeepStaging = "", "", true }, "holdfastKeepStaging"},
	} {
		r := stagedRestore()
		c.change(r)
		code := CodeInvalidInput
		if c.target == "" {
			code = ""
		}
		p := r.Check()
		checkProblem(t, name, p, code, c.target)
		if p != nil && !strings.Contains(strings.Join(p.Actions, " "), "straight from the vault") {
			t.Errorf("%s: %q", name, p.Actions)
		}
	}
}

func TestPreflightOfStaging(t *testing.T) {
	good := func() StagingFacts {
		return StagingFacts{Group: &Meta{ID: testGroup, Location: "East US"}, Account: &StorageAccount{Meta: Meta{ID: testAccount, Location: "eastus"}}}
	}
	elsewhere := strings.Replace(testAccount, "/subscriptions/S/", "/subscriptions/T/", 1)
	for name, c := range map[string]struct {
		change func(*RestoreRequest, *StagingFacts)
		code   Code
	}{
		"all is well":           {func(*RestoreRequest, *StagingFacts) {}, ""},
		"no group":              {func(_ *RestoreRequest, s *StagingFacts) { s.Group = nil }, CodeResourceNotFound},
		"no account":            {func(_ *RestoreRequest, s *StagingFacts) { s.Account = nil }, CodeResourceNotFound},
		"another subscription":  {func(r *RestoreRequest, _ *StagingFacts) { r.StagingAccountID = elsewhere }, CodeInvalidInput},
		"group's subscription":  {func(r *RestoreRequest, _ *StagingFacts) { r.StagingGroupID = "/subscriptions/T/resourceGroups/g" }, CodeInvalidInput},
		"account of region":     {func(_ *RestoreRequest, s *StagingFacts) { s.Account.Location = "westus" }, CodeAccountRegion},
		"group of region":       {func(_ *RestoreRequest, s *StagingFacts) { s.Group.Location = "westus" }, CodeInvalidInput},
		"subscription's letter": {func(r *RestoreRequest, _ *StagingFacts) { r.StagingGroupID = strings.ToLower(r.StagingGroupID) }, ""},
	} {
		r, s := stagedRestore(), good()
		c.change(r, &s)
		found := PreflightStaging(r, goodFacts(), s)
		switch {
		case c.code == "" && len(found) != 0:
			t.Errorf("%s: %v", name, found)
		case c.code != "" && (len(found) != 1 || found[0].Code != c.code || len(found[0].Actions) == 0):
			t.Errorf("%s: want %s, found %v", name, c.code, found)
		}
	}
}

// "Following are the actions used in the Contributor role assigned on the Backup
// Vault over the Staging Resource Group", "Storage Account Contributor" and "Storage
// Blob Data Owner" over the account, "in case backups are to be restored from Vault
// Tier"; the extension's identity reads and writes data of the account.
func TestFAQRolesOfStaging(t *testing.T) {
	got := map[string]bool{}
	for _, g := range StagingGrants(goodInstance(), goodFacts(), stagedRestore()) {
		got[g.PrincipalID+" "+g.Role+" "+g.Scope] = true
	}
	for _, want := range []string{
		"vault-principal Contributor " + testGroup, "vault-principal Storage Account Contributor " + testAccount,
		"vault-principal Storage Blob Data Owner " + testAccount, "extension-principal Storage Blob Data Contributor " + testAccount,
	} {
		if !got[want] {
			t.Errorf("no %s in %v", want, got)
		}
	}
	if len(got) != 4 {
		t.Errorf("got %v", got)
	}
}

func TestStagingStates(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	begin := func(j *Job) { j.Staging.Begun = now }
	ready := func(j *Job) { begin(j); j.EndHydration(now, 7) }
	keep := func(j *Job) { j.Staging.Keep = true }
	fail := func(j *Job) { j.Fail(now, Invalid("", "x")) }
	for name, c := range map[string]struct {
		steps []func(*Job)
		want  StagingState
		holds bool
	}{
		"new":                 {nil, StagingWaiting, false},
		"refused":             {[]func(*Job){fail}, StagingDeleted, false},
		"on its way":          {[]func(*Job){begin}, StagingHydrating, true},
		"there":               {[]func(*Job){ready}, StagingHydrated, true},
		"over":                {[]func(*Job){ready, fail}, StagingDeleting, true},
		"gone":                {[]func(*Job){ready, fail, func(j *Job) { j.Staging.Removed = now }}, StagingDeleted, false},
		"kept":                {[]func(*Job){keep, ready, fail}, StagingKept, false},
		"not complete":        {[]func(*Job){keep, begin, fail}, StagingDeleting, true},
		"to be kept, at work": {[]func(*Job){keep, ready}, StagingHydrated, false},
	} {
		j := &Job{Meta: Meta{ID: "/vault/backupJobs/j"}, Restore: stagedRestore(), Status: JobInProgress}
		j.Stage("uid")
		for _, step := range c.steps {
			step(j)
		}
		if got := j.StagingState(); got != c.want || j.Staging.Holds() != c.holds || j.Staging.Prefix != "restores/j/uid/" {
			t.Errorf("%s: %s, %+v", name, got, j.Staging)
		}
	}
	plain := &Job{Restore: &RestoreRequest{Tier: TierVault}, Tasks: []Task{{Name: TaskRestoring}}}
	if plain.Stage("uid"); plain.Staging != nil || plain.Tasks[0].Name != TaskRestoring || plain.Staging.Holds() {
		t.Errorf("without staging: %+v", plain)
	}
}
