package service_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const aksRole = "Microsoft.DataProtection/backupVaults/backup-operator"

// regionsOf writes a file of two regions, the second with a store in a folder.
func regionsOf(t *testing.T) (file, folder string) {
	t.Helper()
	dir := t.TempDir()
	file, folder = filepath.Join(dir, "regions.yaml"), filepath.Join(dir, "west")
	text := "regions:\n- name: local\n  pairedRegion: west\n- name: west\n  replicaStore:\n    url: file://" + folder + "\n"
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, folder
}

// replicatedWorld is a world whose vault is replicated, with an instance that is
// vaulted.
func replicatedWorld(t *testing.T) (w *world, cluster *fakeCluster, regions, folder string) {
	t.Helper()
	regions, folder = regionsOf(t)
	w = newWorld(t)
	w.options.RegionsFile, w.options.ReplicaRefresh = regions, 50*time.Millisecond
	w.restart()
	w.furnish()
	w.must(http.MethodPut, w.vault, w.crossRegionVault())
	cluster = w.connect()
	w.declareExtension()
	w.grantRoles()
	w.protectVaulted()
	return w, cluster, regions, folder
}

func (w *world) crossRegionVault() object {
	return object{"location": "local", "identity": object{"type": "SystemAssigned"}, "properties": object{
		"storageSettings":  []any{object{"datastoreType": "VaultStore", "type": "GeoRedundant"}},
		"securitySettings": object{"softDeleteSettings": object{"state": "Off"}},
		"featureSettings":  object{"crossRegionRestoreSettings": object{"state": "Enabled"}}}}
}

// vaulted backs up into the vault and returns the recovery point.
func (w *world) vaulted() string {
	w.t.Helper()
	job := w.jobOf(w.must(http.MethodPost, w.instance+"/backup", object{"backupRuleOptions": object{"ruleName": "BackupHourly",
		"triggerOption": object{"retentionTagOverride": "Vault"}}}))
	if job["status"] != "Completed" {
		w.t.Fatalf("backup job = %v", job)
	}
	return w.points()[0]
}

// await repeats a question until the answer is yes.
func await(t *testing.T, what string, ask func() (bool, any)) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		yes, seen := ask()
		if yes {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: still not, but %v", what, seen)
		}
	}
}

// replication is what the instance tells of its replication.
func (w *world) replication() object {
	w.t.Helper()
	told, _ := w.must(http.MethodGet, w.instance, nil)["properties"].(object)["holdfastReplication"].(object)
	return told
}

func (w *world) awaitReplica(point string) {
	w.t.Helper()
	await(w.t, "replication of "+point, func() (bool, any) {
		told := w.replication()
		return told["newestRecoveryPointId"] == point && told["pending"] == 0.0, told
	})
}

func (w *world) secondaryPoints(source *world) (names []string, err error) {
	raw, err := w.try(http.MethodPost, source.group+"/providers/Microsoft.DataProtection/locations/west/fetchSecondaryRecoveryPoints",
		object{"sourceRegion": "local", "sourceBackupInstanceId": source.instance})
	for _, value := range decoded(w.t, raw)["value"].([]any) {
		names = append(names, value.(object)["name"].(string))
	}
	return names, err
}

// What was vaulted in the first region is restored in the second, by a service that
// has only the replicas and the key, when nothing else is left.
func TestSecondRegion(t *testing.T) {
	t.Parallel()
	w, _, regions, _ := replicatedWorld(t)
	first := w.vaulted()
	point := w.vaulted()
	w.awaitReplica(point)
	told := w.replication()
	if told["region"] != "west" || told["late"] != false || told["error"] != nil || told["lagInSeconds"] == nil {
		t.Errorf("replication = %v", told)
	}
	if regions := w.must(http.MethodGet, w.vault, nil)["properties"].(object)["replicatedRegions"].([]any); len(regions) != 1 || regions[0] != "west" {
		t.Errorf("replicated regions = %v", regions)
	}
	second := w.loseAndStartSecond(regions)
	await(t, "recovery points in the second region", func() (bool, any) {
		names, err := second.secondaryPoints(w)
		return err == nil && len(names) == 2 && names[0] == point && names[1] == first, fmt.Sprint(names, err)
	})
	cluster := second.joinWest(w)

	at := w.group + "/providers/Microsoft.DataProtection/locations/west/"
	second.must(http.MethodPost, at+"validateCrossRegionRestore", second.crossRegionBody(w, point))
	result := second.must(http.MethodPost, at+"crossRegionRestore", second.crossRegionBody(w, point))
	name := result["jobId"].(string)
	job := second.must(http.MethodPost, at+"fetchCrossRegionRestoreJob", object{"sourceRegion": "local", "sourceBackupVaultId": w.vault, "jobId": name})["properties"].(object)
	if job["status"] != "Completed" || job["operation"] != "CrossRegionRestore" || job["isCrossRegionRestore"] != true || job["sourceDataStoreType"] != "VaultStore" {
		t.Fatalf("job = %v", job)
	}
	if got := cluster.restorations(); len(got) != 1 || got[0] != point+" to shop2" {
		t.Errorf("restored %v", got)
	}
	jobs := second.must(http.MethodPost, at+"fetchCrossRegionRestoreJobs?$filter=status+eq+'Completed'", object{"sourceRegion": "local", "sourceBackupVaultId": w.vault})["value"].([]any)
	if len(jobs) != 1 || jobs[0].(object)["id"] != name {
		t.Errorf("jobs = %v", jobs)
	}
	second.listsAsAtHome(w, name)
	checkNothingInClear(t, second.dir, cluster.keys)
	second.refusesAtLocation(w, point)
}

// listsAsAtHome: the vault of the lost region and its jobs are in the lists of this one.
func (w *world) listsAsAtHome(source *world, job string) {
	w.t.Helper()
	vaults := w.must(http.MethodGet, source.vault[:strings.LastIndex(source.vault, "/")], nil)["value"].([]any)
	jobs := w.must(http.MethodGet, source.vault+"/backupJobs", nil)["value"].([]any)
	if len(vaults) != 1 || vaults[0].(object)["id"] != source.vault || len(jobs) != 1 || jobs[0].(object)["id"] != job {
		w.t.Errorf("vaults %v, jobs %v", vaults, jobs)
	}
}

// actByUserIdentity lets the vault act by an identity of the user's for the instance.
func (w *world) actByUserIdentity() (id string) {
	w.t.Helper()
	id = w.group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mover"
	made := w.must(http.MethodPut, id, object{"location": "local"})["properties"].(object)["principalId"].(string)
	vault := w.crossRegionVault()
	vault["identity"] = object{"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": object{id: object{}}}
	w.must(http.MethodPut, w.vault, vault)
	for role, scope := range map[string]string{"acdd72a7-3385-48ef-bd42-f606fba81ae7": w.cluster, "7efff54f-a5b4-42b5-a1c5-5411624893ce": w.group + "x",
		"2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": w.account} {
		w.assign(role, made, scope)
	}
	w.assign("acdd72a7-3385-48ef-bd42-f606fba81ae7", made, w.group+"x")
	body := w.instanceBody()
	body["identityDetails"] = object{"useSystemAssignedIdentity": false, "userAssignedIdentityArmUrl": id}
	w.must(http.MethodPut, w.instance, object{"properties": body})
	return id
}

// An identity that a vault acts by goes with it into the second region, and is asked
// for its rights there.
func TestSecondRegionByUserIdentity(t *testing.T) {
	t.Parallel()
	w, _, regions, _ := replicatedWorld(t)
	id := w.actByUserIdentity()
	point := w.vaulted()
	w.awaitReplica(point)
	second := w.loseAndStartSecond(regions)
	await(t, "the recovery point in the second region", func() (bool, any) {
		names, err := second.secondaryPoints(w)
		return len(names) == 1, fmt.Sprint(names, err)
	})
	cluster := second.joinWest(w) // which gives rights to the vault's own identity
	at := w.group + "/providers/Microsoft.DataProtection/locations/west/"
	second.refused("KubernetesBackupListExtensionsError", http.MethodPost, at+"validateCrossRegionRestore", second.crossRegionBody(w, point))
	attached := second.must(http.MethodGet, w.vault, nil)["identity"].(object)["userAssignedIdentities"].(object)[id].(object)
	second.assign("acdd72a7-3385-48ef-bd42-f606fba81ae7", attached["principalId"].(string), second.cluster)
	second.must(http.MethodPost, at+"validateCrossRegionRestore", second.crossRegionBody(w, point))
	second.must(http.MethodPost, at+"crossRegionRestore", second.crossRegionBody(w, point))
	if got := cluster.restorations(); len(got) != 1 || got[0] != point+" to shop2" {
		t.Errorf("restored %v", got)
	}
}

// loseAndStartSecond destroys everything of the first region but its key, and
// starts a service elsewhere.
func (w *world) loseAndStartSecond(regions string) *world {
	w.t.Helper()
	kek := w.copyOfKey()
	w.stop()
	if err := os.RemoveAll(w.dir); err != nil {
		w.t.Fatal(err)
	}
	return w.startSecond(regions, kek)
}

// copyOfKey keeps a copy of the key file elsewhere.
func (w *world) copyOfKey() string {
	w.t.Helper()
	kek := filepath.Join(w.t.TempDir(), "kek")
	content, err := os.ReadFile(filepath.Join(w.dir, "kek"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(kek, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return kek
}

// startSecond starts a service elsewhere; an empty kek lets it make its own.
func (w *world) startSecond(regions, kek string) *world {
	w.t.Helper()
	second := &world{t: w.t, dir: w.t.TempDir(), host: ownAddress()}
	second.anyPort()
	second.options.RegionsFile, second.options.ReplicaRefresh = regions, 50*time.Millisecond
	if kek != "" {
		second.options.KeyProvider = "file://" + kek
	}
	second.start()
	w.t.Cleanup(func() { second.stop() })
	return second
}

// joinWest connects a cluster of the second region and lets the vault act in it.
func (w *world) joinWest(source *world) *fakeCluster {
	w.t.Helper()
	w.sub = "/subscriptions/" + w.admin.Subscription
	w.group = w.sub + "/resourceGroups/west"
	w.cluster = w.group + "/providers/Microsoft.ContainerService/managedClusters/prod2"
	w.account = w.group + "/providers/Microsoft.Storage/storageAccounts/operational"
	w.container = w.account + "/blobServices/default/containers/prod"
	w.extension = w.cluster + "/providers/Microsoft.KubernetesConfiguration/extensions/azure-aks-backup"
	w.must(http.MethodPut, w.group, object{"location": "west"})
	w.must(http.MethodPut, w.cluster, object{"location": "west", "identity": object{"type": "SystemAssigned"}})
	w.must(http.MethodPut, w.account, object{"location": "west", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}})
	w.must(http.MethodPut, w.container, object{"properties": object{}})
	cluster := w.connect()
	w.must(http.MethodPut, w.extension, object{"identity": object{"type": "SystemAssigned"}, "properties": object{
		"extensionType": "Microsoft.DataProtection.Kubernetes",
		"configurationSettings": object{"blobContainer": "prod", "storageAccount": "operational",
			"storageAccountResourceGroup": "west", "storageAccountSubscriptionId": w.admin.Subscription}}})
	w.must(http.MethodPut, w.cluster+"/trustedAccessRoleBindings/vault", object{"properties": object{
		"sourceResourceId": source.vault, "roles": []string{aksRole}}})
	identity := principal(w.must(http.MethodGet, source.vault, nil))
	w.assign("acdd72a7-3385-48ef-bd42-f606fba81ae7", identity, w.cluster)
	return cluster
}

func (w *world) crossRegionBody(source *world, point string) object {
	request := w.restoreBody(point)
	request["sourceDataStoreType"] = "VaultStore"
	target := request["restoreTargetInfo"].(object)
	target["restoreLocation"] = "west"
	target["restoreCriteria"].([]any)[0].(object)["objectType"] = "KubernetesClusterVaultTierRestoreCriteria"
	return object{"restoreRequestObject": request, "crossRegionRestoreDetails": object{"sourceRegion": "local", "sourceBackupInstanceId": source.instance}}
}

// refusesAtLocation asks for what cannot be.
func (w *world) refusesAtLocation(source *world, point string) {
	w.t.Helper()
	base := source.group + "/providers/Microsoft.DataProtection/locations/"
	ask := object{"sourceRegion": "local", "sourceBackupInstanceId": source.instance}
	w.refused("BMSUserErrorInvalidInput", http.MethodPost, base+"north/fetchSecondaryRecoveryPoints", ask)
	w.refused("BMSUserErrorInvalidInput", http.MethodPost, base+"west/fetchSecondaryRecoveryPoints", object{"sourceRegion": "north", "sourceBackupInstanceId": source.instance})
	w.refused("BMSUserErrorInvalidInput", http.MethodPost, base+"west/fetchSecondaryRecoveryPoints", object{"sourceBackupInstanceId": source.instance})
	w.refused("UserErrorGenericResourceNotFound", http.MethodPost, base+"west/fetchSecondaryRecoveryPoints", object{"sourceRegion": "local", "sourceBackupInstanceId": source.instance + "x"})
	operational := w.crossRegionBody(source, point)
	operational["restoreRequestObject"].(object)["sourceDataStoreType"] = "OperationalStore"
	w.refused("BMSUserErrorInvalidInput", http.MethodPost, base+"west/crossRegionRestore", operational)
	w.refused("UserErrorGenericResourceNotFound", http.MethodPost, base+"west/crossRegionRestore", w.crossRegionBody(source, strings.Repeat("a", 32)))
}

// The first region's service answers for the second's location too. A replica goes
// with its instance, and the answer with it.
func TestReplicasGoWithTheirInstance(t *testing.T) {
	t.Parallel()
	w, _, _, folder := replicatedWorld(t)
	w.awaitReplica(w.vaulted())
	await(t, "the first region's answer", func() (bool, any) {
		names, err := w.secondaryPoints(w)
		return err == nil && len(names) == 1, fmt.Sprint(names, err)
	})
	w.restart() // what is replicated stays so
	if told := w.replication(); told["pending"] != 0.0 {
		t.Errorf("after a restart: %v", told)
	}
	w.must(http.MethodDelete, w.instance, nil)
	await(t, "a store of replicas with no more than a mark", func() (bool, any) {
		left := files(t, folder)
		return len(left) <= 1, left
	})
	await(t, "nothing in the second region", func() (bool, any) {
		names, err := w.secondaryPoints(w)
		return len(names) == 0, fmt.Sprint(names, err)
	})
}

// A store that cannot be reached keeps nobody from working; what is missing is told
// of, and made up for when the store is back. What was vaulted before cross region
// restore was turned on is replicated too.
func TestReplicationCatchesUp(t *testing.T) {
	t.Parallel()
	w, _, _, folder := replicatedWorld(t)
	if err := os.Rename(folder, folder+"-away"); err != nil {
		t.Fatal(err)
	}
	w.restart()
	point := w.vaulted()
	await(t, "a replication that failed", func() (bool, any) {
		told := w.replication()
		return told["pending"] == 1.0 && told["error"] != nil, told
	})
	if err := os.Rename(folder+"-away", folder); err != nil {
		t.Fatal(err)
	}
	w.restart()
	w.must(http.MethodPut, w.vault, w.crossRegionVault()) // any change asks for it anew
	w.awaitReplica(point)
}

// Cross region restore cannot be turned off, so it is not turned on where it does
// nothing.
func TestCrossRegionNeedsAPairedRegion(t *testing.T) {
	w := newWorld(t)
	w.furnish()
	w.refused("BMSUserErrorInvalidInput", http.MethodPut, w.vault+"2", w.crossRegionVault())
}

func decoded(t *testing.T, raw json.RawMessage) object {
	t.Helper()
	out := object{"value": []any{}}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
