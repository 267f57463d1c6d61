package provider_test

import (
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
)

// Verifying and collecting are jobs over one instance or the whole vault.
func TestVaultUpkeep(t *testing.T) {
	t.Parallel()
	w := protect(t)
	w.work()
	for action, category := range map[string]string{"verify": "Verify", "collect": "Collect"} {
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
	} {
		if a := w.do(c.who, "POST", vaultAt+"/"+c.action, c.body); a.StatusCode != c.status || c.code != "" && a.code(t) != c.code {
			t.Errorf("%s %s %s: %d %s", c.who, c.action, c.body, a.StatusCode, a.raw)
		}
	}
	if a := w.do("owner", "POST", vaultAt+"x/verify", `{}`); a.StatusCode != 404 {
		t.Errorf("%d %s", a.StatusCode, a.raw)
	}
}
