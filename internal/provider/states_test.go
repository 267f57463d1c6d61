package provider_test

import (
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// asked is everything that may be asked of an instance, in the order of the columns
// below.
var asked = []struct{ name, method, path string }{
	{"change", "PUT", ""}, {"stop", "POST", "/stopProtection"}, {"suspend", "POST", "/suspendBackups"},
	{"resume", "POST", "/resumeProtection"}, {"resume backups", "POST", "/resumeBackups"}, {"back up", "POST", "/backup"},
	{"restore", "POST", "/restore"}, {"validate a change", "POST", "/validateForModifyBackup"}, {"delete", "DELETE", ""}, {"sync", "POST", "/sync"},
}

// TestEveryStateAnswersEveryRequest: what may be done in which state. 1 is begun or
// carried out, = is so already and answered at once, a dot is refused with the code of
// a forbidden transition and what to do instead.
func TestEveryStateAnswersEveryRequest(t *testing.T) {
	t.Parallel()
	changed := strings.Replace(testdata(t, "instance.json"), `["test"]`, `["test","more"]`, 1)
	bodies := map[string]string{"change": changed, "back up": backupBody, "validate a change": strings.Replace(changed, `{"properties":`, `{"backupInstance":`, 1),
		"restore": strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(testdata(t, "restore.json")), `{"restoreRequestObject":`), "}")}
	for _, c := range []struct {
		protection backup.ProtectionState
		state      backup.ProvisioningState
		answers    string
	}{
		{backup.ConfiguringProtection, backup.StateProvisioning, ". . . . . . . . . ="},
		{backup.ConfiguringFailed, backup.StateFailed, "1 . . . . . . 1 1 1"},
		{backup.ProtectionConfigured, backup.StateSucceeded, "1 1 1 = = 1 1 1 1 ="},
		{backup.UpdatingProtection, backup.StateUpdating, ". . . . . . 1 . . ="},
		{backup.ProtectionError, backup.StateFailed, "1 1 1 1 1 . 1 1 1 1"},
		{backup.ProtectionStopped, backup.StateSucceeded, ". = . 1 . . 1 . 1 ="},
		{backup.BackupsSuspended, backup.StateSucceeded, ". 1 = 1 1 . 1 . 1 ="},
		{backup.ProtectionConfigured, backup.StateDeleting, ". . . . . . . . 1 ="},
	} {
		t.Run(string(c.protection)+" "+string(c.state), func(t *testing.T) {
			t.Parallel()
			var w *world
			for n, want := range strings.Fields(c.answers) {
				if w == nil {
					w = instanceIn(t, c.protection, c.state)
				}
				before := w.snapshot()
				a := w.do("owner", asked[n].method, at+asked[n].path, bodies[asked[n].name])
				got := map[int]string{200: "=", 201: "1", 202: "1", 409: "."}[a.StatusCode]
				if asked[n].name == "change" && got == "=" && a.Header.Get("Azure-AsyncOperation") != "" {
					got = "1"
				}
				if got != want {
					t.Errorf("%s: %s, want %s: %d %s", asked[n].name, got, want, a.StatusCode, a.raw)
				}
				if got == "." && (a.code(t) != wrongState || !strings.Contains(string(a.raw), `"recommendedAction":["`)) {
					t.Errorf("%s: %s", asked[n].name, a.raw)
				}
				if got != "1" && w.snapshot() != before {
					t.Errorf("%s changed something", asked[n].name)
				}
				if got == "1" {
					w = nil
				}
			}
		})
	}
}

// instanceIn makes a world with the instance in a state.
func instanceIn(t *testing.T, protection backup.ProtectionState, state backup.ProvisioningState) *world {
	t.Helper()
	w := protect(t)
	w.update(func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, at)
		if err != nil {
			return err
		}
		i.Protection, i.State = protection, state
		return inventory.Instances.Put(tx, i)
	})
	return w
}
