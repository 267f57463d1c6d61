package provider_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const vaultsAt = group + "/providers/Microsoft.DataProtection/backupVaults"

// replica is a service of the second region: it knows vaults v1 to v9 of which the odd
// ones have their replicas there, and v3 is also its own.
func replica(t *testing.T) *world {
	w := prepare(t)
	w.update(func(tx catalog.Tx) error {
		if err := inventory.Vaults.Delete(tx, vaultAt); err != nil {
			return err
		}
		for n := 1; n < 10; n++ {
			v := &backup.Vault{Meta: backup.Meta{ID: fmt.Sprintf("%s/v%d", vaultsAt, n), Location: "eastus"}}
			if n%2 == 0 || n == 3 {
				v.Location = "westus"
				if err := inventory.Vaults.Put(tx, v); err != nil {
					return err
				}
			}
			if n%2 == 1 {
				if err := inventory.SecondaryVaults.Put(tx, &backup.Vault{Meta: backup.Meta{ID: v.ID, Location: "eastus"}}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return w
}

// When a region is lost people look in the other one, and find the vaults in the same
// list: each once, its own before a replica.
func TestVaultsOfAnotherRegionAreListed(t *testing.T) {
	t.Parallel()
	w := replica(t)
	for _, size := range []int{1, 2, 3, 4, 8, 9, 100} {
		var got []string
		for path := fmt.Sprintf("%s?$top=%d", vaultsAt, size); path != ""; {
			page := w.must(200, "GET", path, "")
			for _, v := range page.at("value").([]any) {
				v := v.(map[string]any)
				got = append(got, fmt.Sprint(v["name"], " ", v["location"]))
			}
			next, _ := page.at("nextLink").(string)
			path = strings.TrimPrefix(next, w.URL)
		}
		want := []string{"v1 eastus", "v2 westus", "v3 westus", "v4 westus", "v5 eastus", "v6 westus", "v7 eastus", "v8 westus", "v9 eastus"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
}

// The jobs of a vault of which the replica is here are those that run here; they are
// listed, selected, exported and called off as in the vault's own region.
func TestJobsOfAVaultOfAnotherRegion(t *testing.T) {
	t.Parallel()
	w := replica(t)
	job := func(hour int, ended bool) string {
		started := jobsBegin.Add(time.Duration(hour) * time.Hour)
		j := &backup.Job{InstanceID: at, Kind: backup.JobRestore, Status: backup.JobInProgress, Started: started, Restore: &backup.RestoreRequest{Region: "westus"},
			Tasks: []backup.Task{{Name: "Trigger Restore", Status: backup.JobInProgress}}}
		j.ID = vaultAt + "/backupJobs/" + backup.NewJobID(started, [10]byte{byte(hour)})
		if ended {
			j.Complete(started.Add(time.Minute), nil)
		}
		w.update(func(tx catalog.Tx) error { return inventory.Jobs.Put(tx, j) })
		return j.ID
	}
	past, present := job(0, true), job(1, false)
	ids := func(a answer) (out []string) {
		for _, v := range a.at("value").([]any) {
			out = append(out, v.(map[string]any)["id"].(string))
		}
		return out
	}
	if got := ids(w.must(200, "GET", vaultAt+"/backupJobs", "")); !slices.Equal(got, []string{present, past}) {
		t.Errorf("jobs %q", got)
	}
	there := sub + "/resourceGroups/rg/providers/Microsoft.DataProtection/locations/westus/fetchCrossRegionRestoreJob"
	source := `"sourceRegion":"eastus","sourceBackupVaultId":"` + vaultAt + `"`
	for filter, want := range map[string][]string{
		"": {present, past}, "operation eq 'CrossRegionRestore' and status eq 'Completed'": {past}, "operation eq 'Backup'": nil,
		"backupInstanceName eq 'i1' and startTime ge '" + jobsBegin.Add(time.Hour).Format(time.RFC3339) + "'": {present},
	} {
		path := there + "s?$filter=" + strings.ReplaceAll(filter, " ", "+")
		if got := ids(w.must(200, "POST", path, "{"+source+"}")); !slices.Equal(got, want) {
			t.Errorf("%s: jobs %q, want %q", filter, got, want)
		}
	}
	w.must(200, "POST", there, "{"+source+`,"jobId":"`+past+`"}`)
	w.must(400, "POST", there, `{"sourceBackupVaultId":"`+vaultAt+`","jobId":"`+past+`"}`)
	w.must(202, "POST", vaultAt+"/exportBackupJobs", "")
	if _, _, body := w.fetch("owner", w.URL+vaultAt+"/exportBackupJobs?api-version=2025-07-01"); strings.Count(body, "\n") != 3 {
		t.Errorf("exported %s", body)
	}
	w.must(202, "POST", present+"/cancel", "")
	if got := w.must(200, "GET", present, "").at("properties.status"); got != "Cancelling" {
		t.Errorf("called off: %v", got)
	}
}

// A vault that nobody knows has no jobs, and that is said.
func TestCrossRegionJobsOfNoVault(t *testing.T) {
	t.Parallel()
	w := replica(t)
	a := w.must(400, "POST", sub+"/resourceGroups/rg/providers/Microsoft.DataProtection/locations/westus/fetchCrossRegionRestoreJobs",
		`{"sourceRegion":"eastus","sourceBackupVaultId":"`+vaultsAt+`/v99"}`)
	if a.code(t) != "UserErrorGenericResourceNotFound" {
		t.Errorf("%s", a.raw)
	}
}
