package service_test

import (
	"net/http"
	"testing"

	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/test/azurite"
	"holdfast.dev/holdfast/test/s3"
)

// stageAt makes a staging account with a store of its own, and gives the roles over it.
func (w *world) stageAt(name string, at location.Location) (account string) {
	w.t.Helper()
	account = w.stagingAccountNamed(name)
	w.must(http.MethodPut, account, object{"location": "local", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"},
		"properties": object{"holdfastStore": object{"url": at.URL, "accountName": at.Account, "accountKey": at.Key}}})
	vault := principal(w.must(http.MethodGet, w.vault, nil))
	w.assign("17d1049b-9a84-46fb-8f53-869881c3d3ab", vault, account)
	w.assign("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", vault, account)
	aks := w.must(http.MethodGet, w.extension, nil)["properties"].(object)["aksAssignedIdentity"].(object)
	w.assign("ba92f5b4-2d11-453d-a403-e96b0029c9fe", aks["principalId"].(string), account)
	return account
}

// A staging account may lie in Azure Blob or S3: the cluster, which is told no key of
// it, reads there through the gate, and nothing stays but what is to be kept.
func TestStagedRestoreOnRealStores(t *testing.T) {
	t.Parallel()
	azure, s3Server := azurite.Start(t), s3.Start(t)
	bucket, err := s3Server.Bucket("staging")
	if err != nil {
		t.Fatal(err)
	}
	w, cluster := protectedWorld(t)
	w.protectVaulted()
	point := w.vaulted()
	w.must(http.MethodPut, w.group+"s", object{"location": "local"})
	w.assign("b24988ac-6180-42a0-ab88-20f7382dd24c", principal(w.must(http.MethodGet, w.vault, nil)), w.group+"s")
	for name, c := range map[string]struct{ account, container location.Location }{
		"azure": {location.Location{URL: azure.URL, Account: azurite.Account, Key: azurite.Key},
			location.Location{URL: azure.Container("holdfast-staging"), Account: azurite.Account, Key: azurite.Key}},
		"bucket": {location.Location{URL: bucket, Account: s3.AccessKey, Key: s3.SecretKey},
			location.Location{URL: "s3://staging/holdfast-staging" + bucket[len("s3://staging"):], Account: s3.AccessKey, Key: s3.SecretKey}},
	} {
		account := w.stageAt(name, c.account)
		body := w.stagedBodyIn(account, point, false)
		w.must(http.MethodPost, w.instance+"/validateRestore", object{"restoreRequestObject": body})
		before := len(cluster.restorations())
		job := w.jobOf(w.must(http.MethodPost, w.instance+"/restore", body))
		if job["status"] != "Completed" || len(cluster.restorations()) != before+1 {
			t.Fatalf("%s: job = %v, restored %v", name, job, cluster.restorations())
		}
		await(t, name+": an empty container that was made", func() (bool, any) {
			state, err := location.Probe(t.Context(), c.container)
			return err == nil && state == location.State{Exists: true, Empty: true}, state
		})
		job = w.jobOf(w.must(http.MethodPost, w.instance+"/restore", w.stagedBodyIn(account, point, true)))
		if state, err := location.Probe(t.Context(), c.container); err != nil || state.Empty || stagingOf(job)["state"] != "Kept" {
			t.Errorf("%s: kept %+v, %v, job = %v", name, state, err, job)
		}
	}
}
