package provider_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// Verifying and collecting are jobs over one instance or the whole vault.
func TestVaultUpkeep(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.work()
	for action, category := range map[string]string{"verify": "Verify", "collect": "Collect", "repair": "Repair"} {
		for body, about := range map[string]string{`{}`: "", `{"backupInstanceName":"i1"}`: at} {
			accepted := w.must(202, "POST", vaultAt+"/"+action, body)
			if !strings.Contains(accepted.Header.Get("Azure-AsyncOperation"), vaultAt+"/operationStatus/") || accepted.Header.Get("Location") == "" {
				t.Errorf("headers %v", accepted.Header)
			}
			work := w.work()
			if len(work) != 1 || work[0].Kind != backup.WorkUpkeep {
				t.Fatalf("work %+v", work)
			}
			p := w.must(200, "GET", work[0].Subject, "").at("properties").(map[string]any)
			if p["operationCategory"] != category || p["operation"] != category || p["status"] != "InProgress" || p["sourceDataStoreType"] != "VaultStore" ||
				p["vaultName"] != "v1" || p["backupInstanceId"] != about || p["isUserTriggered"] != true || p["subscriptionId"] != "S" {
				t.Errorf("%s %s: %v", action, body, p)
			}
			if tasks := p["extendedInfo"].(map[string]any)["subTasks"].([]any); len(tasks) != 1 || tasks[0].(map[string]any)["taskName"] != "i1" {
				t.Errorf("tasks %v", tasks)
			}
			if again := w.do("owner", "POST", vaultAt+"/"+action, body); again.StatusCode != 409 || again.code(t) != "UserErrorBackupOperationInProgress" {
				t.Errorf("beside a running one: %d %s", again.StatusCode, again.raw)
			}
		}
	}
}

func TestVaultUpkeepIsRefused(t *testing.T) {
	t.Parallel()
	w := protect(t)
	for _, c := range []struct {
		who, action, body string
		status            int
		code              string
	}{
		{"owner", "verify", `{"data":"half"}`, 400, "BMSUserErrorInvalidInput"},
		{"owner", "verify", `{"backupInstanceName":"nobody"}`, 400, "UserErrorGenericResourceNotFound"},
		{"reader", "verify", `{}`, 403, "AuthorizationFailed"},
		{"operator", "verify", `{"data":"ALL"}`, 202, ""},
		{"operator", "collect", `{"dryRun":true}`, 403, "AuthorizationFailed"},
		{"contributor", "collect", `{"dryRun":true}`, 202, ""},
		{"operator", "repair", `{"dryRun":true}`, 403, "AuthorizationFailed"},
		{"contributor", "repair", `{"dryRun":true}`, 202, ""},
	} {
		if a := w.do(c.who, "POST", vaultAt+"/"+c.action, c.body); a.StatusCode != c.status || c.code != "" && a.code(t) != c.code {
			t.Errorf("%s %s %s: %d %s", c.who, c.action, c.body, a.StatusCode, a.raw)
		}
	}
	if a := w.do("owner", "POST", vaultAt+"x/verify", `{}`); a.StatusCode != 404 {
		t.Errorf("%d %s", a.StatusCode, a.raw)
	}
}

// A job over a vault has a task for each repository: in the vault, of what was deleted,
// and of replicas.
func TestVaultUpkeepHasATaskForEachRepository(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.work()
	w.update(func(tx catalog.Tx) error {
		gone := &backup.DeletedInstance{Meta: backup.Meta{ID: vaultAt + "/deletedBackupInstances/old"},
			Instance: backup.Instance{Meta: backup.Meta{ID: vaultAt + "/backupInstances/old"}}}
		return errors.Join(inventory.Deleted.Put(tx, gone),
			inventory.Replicas.Put(tx, &backup.Replica{Meta: backup.Meta{ID: at + "/recoveryPoints/p"}, Region: "west"}))
	})
	for body, want := range map[string]string{`{}`: "i1, i1 in west, old", `{"backupInstanceName":"old"}`: "old", `{"backupInstanceName":"i1"}`: "i1, i1 in west"} {
		w.must(202, "POST", vaultAt+"/verify", body)
		p := w.must(200, "GET", w.work()[0].Subject, "").at("properties").(map[string]any)
		var names []string
		for _, task := range p["extendedInfo"].(map[string]any)["subTasks"].([]any) {
			names = append(names, task.(map[string]any)["taskName"].(string))
		}
		if got := strings.Join(names, ", "); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// A recovery point that is known to be damaged says so, and is not restored.
func TestDamagedRecoveryPoint(t *testing.T) {
	t.Parallel()
	w := protect(t)
	id := at + "/recoveryPoints/" + pointName
	w.update(func(tx catalog.Tx) error {
		p, err := inventory.RecoveryPoints.Get(tx, id)
		if err != nil {
			return err
		}
		p.Stores[0].Damage = &backup.Damage{Found: w.clock.Now(), Reason: backup.CodeVaultDataMissing, Volumes: []string{"shop/data"}}
		return inventory.RecoveryPoints.Put(tx, p)
	})
	shown := w.must(200, "GET", id, "").at("properties").(map[string]any)
	store := shown["recoveryPointDataStoresDetails"].([]any)[0].(map[string]any)
	if damage, _ := store["holdfastDamage"].(map[string]any); shown["recoveryPointState"] != "Partial" || damage["code"] != "UserErrorVaultDataMissing" || damage["objects"] != false {
		t.Errorf("%v", shown)
	}
}

// While nothing arrives in the paired region the age of what is there grows, and after 12
// hours it is late.
func TestReplicationIsLate(t *testing.T) {
	t.Parallel()
	w := protect(t)
	start := w.clock.Now()
	w.update(func(tx catalog.Tx) error {
		there := &backup.Replica{Meta: backup.Meta{ID: at + "/recoveryPoints/b"}, Region: "west", Time: start, Due: start, Done: start.Add(time.Minute)}
		waits := &backup.Replica{Meta: backup.Meta{ID: at + "/recoveryPoints/a"}, Region: "west", Time: start.Add(time.Hour), Due: start.Add(time.Hour),
			Problem: backup.NewProblem(backup.CodeVaultStoreUnreachable, "a", "the store is away")}
		return errors.Join(inventory.Replicas.Put(tx, there), inventory.Replicas.Put(tx, waits))
	})
	for _, c := range []struct {
		after time.Duration
		late  bool
	}{{2 * time.Hour, false}, {11 * time.Hour, false}, {time.Second, true}} { // 2, 13 and a second more since the start
		w.clock.Advance(c.after)
		told := w.must(200, "GET", at, "").at("properties").(map[string]any)["holdfastReplication"].(map[string]any)
		if age := w.clock.Now().Sub(start).Seconds(); told["rpoInSeconds"] != age || told["late"] != c.late || told["pending"] != 1.0 || told["error"] == nil {
			t.Errorf("after %s: %v", w.clock.Now().Sub(start), told)
		}
	}
}
