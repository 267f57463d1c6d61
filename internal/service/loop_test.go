package service_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/service"
)

// The whole loop over the public API, with a cluster that speaks the real
// agent protocol: connect, declare, protect, back up, restore, delete.
func TestLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.furnish()
	w.refused("UserErrorKubernetesBackupExtensionNotFoundError", http.MethodPost, w.vault+"/validateForBackup", object{"backupInstance": w.instanceBody()})
	w.refused("UserErrorKubernetesBackupExtensionNotFoundError", http.MethodPut, w.instance, object{"properties": w.instanceBody()})
	cluster := w.connect()
	extension := w.declareExtension()["properties"].(object)
	if extension["provisioningState"] != "Succeeded" || extension["currentVersion"] != "0.1.0" {
		t.Fatalf("extension = %v", extension)
	}
	// Without the roles protection fails, says why, and can be asked for again.
	w.refused("KubernetesBackupListExtensionsError", http.MethodPut, w.instance, object{"properties": w.instanceBody()})
	if got := w.must(http.MethodGet, w.instance, nil)["properties"].(object)["currentProtectionState"]; got != "ConfiguringProtectionFailed" {
		t.Fatalf("protection = %v", got)
	}
	w.grantRoles()
	w.must(http.MethodPost, w.instance+"/validateForModifyBackup", object{"backupInstance": w.instanceBody()})
	w.protect()
	if got := w.must(http.MethodGet, w.instance, nil)["properties"].(object)["currentProtectionState"]; got != "ProtectionConfigured" {
		t.Fatalf("protection = %v", got)
	}

	job := w.jobOf(w.must(http.MethodPost, w.instance+"/backup", backupBody))
	if job["status"] != "Completed" {
		t.Fatalf("backup job = %v", job)
	}
	points := w.points()
	if len(points) != 1 {
		t.Fatalf("recovery points = %v", points)
	}
	w.must(http.MethodPost, w.instance+"/validateRestore", object{"restoreRequestObject": w.restoreBody(points[0])})
	job = w.jobOf(w.must(http.MethodPost, w.instance+"/restore", w.restoreBody(points[0])))
	if job["status"] != "Completed" || len(cluster.restored) != 1 || cluster.restored[0] != points[0]+" to shop2" {
		t.Fatalf("restore job = %v, cluster restored %v", job, cluster.restored)
	}
	if len(cluster.keys) == 0 {
		t.Fatal("no data key was handed out")
	}
	checkNothingInClear(t, w.dir, append(cluster.keys, []byte(storeKey), []byte(protectedSetting)))

	w.must(http.MethodDelete, w.instance, nil)
	if _, err := w.try(http.MethodGet, w.instance, nil); !client.IsNotFound(err) {
		t.Fatalf("instance after its deletion: %v", err)
	}
	if n := cluster.count(agentv1.KindDeleteRecoveryPoint); n != 1 {
		t.Fatalf("the cluster deleted %d recovery points, want 1", n)
	}
	w.must(http.MethodDelete, w.extension, nil)
	if n := cluster.count(agentv1.KindDeleteExtension); n != 1 {
		t.Fatalf("the connector deleted %d extensions, want 1", n)
	}
}

// checkNothingInClear looks for secrets, plain and as JSON writes bytes, in
// every file of the service.
func checkNothingInClear(t *testing.T, dir string, secrets [][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, secret := range secrets {
			if bytes.Contains(content, secret) || bytes.Contains(content, []byte(base64.StdEncoding.EncodeToString(secret))) {
				t.Errorf("%s holds the secret %q in clear", path, secret)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// protectedWorld is a world with a protected instance.
func protectedWorld(t *testing.T) (*world, *fakeCluster) {
	t.Helper()
	w := newWorld(t)
	w.furnish()
	cluster := w.connect()
	w.declareExtension()
	w.grantRoles()
	w.protect()
	return w, cluster
}

// A restart of the service in the middle of a backup changes nothing: the
// agent goes on, finds the service again and the job ends.
func TestRestartDuringBackup(t *testing.T) {
	t.Parallel()
	w, cluster := protectedWorld(t)
	cluster.hold = make(chan struct{})
	first, err := w.api.Do(t.Context(), http.MethodPost, w.instance+"/backup", apiVersion, backupBody)
	if err != nil {
		t.Fatal(err)
	}
	<-cluster.began
	w.restart()
	close(cluster.hold)
	status, _, err := w.api.Wait(t.Context(), first, nil)
	if err != nil {
		t.Fatal(err)
	}
	if job := w.must(http.MethodGet, status.JobID(), nil)["properties"].(object); job["status"] != "Completed" {
		t.Fatalf("job = %v", job)
	}
	if n := cluster.count(agentv1.KindBackup); n != 1 || len(w.points()) != 1 {
		t.Fatalf("%d backups handed out, recovery points %v, want one of each", n, w.points())
	}
}

// A backup under way is called off: the agent is told when it extends its
// lease, the job ends as Cancelled and leaves no recovery point.
func TestCancel(t *testing.T) {
	t.Parallel()
	w, cluster := protectedWorld(t)
	cluster.hold = make(chan struct{})
	backup, err := w.api.Do(t.Context(), http.MethodPost, w.instance+"/backup", apiVersion, backupBody)
	if err != nil {
		t.Fatal(err)
	}
	<-cluster.began
	job := w.must(http.MethodGet, w.vault+"/backupJobs", nil)["value"].([]any)[0].(object)["id"].(string)
	w.awaitProgress(job, object{"phase": "Collect", "itemsDone": "1", "itemsTotal": "0", "bytesDone": "2048", "bytesTotal": "0"})
	if got := w.must(http.MethodPost, job+"/cancel", nil)["properties"].(object)["status"]; got != "Cancelled" {
		t.Fatalf("job = %v", got)
	}
	var ended *client.Error
	if _, _, err := w.api.Wait(t.Context(), backup, nil); !errors.As(err, &ended) || ended.Code != "UserErrorOperationCancelled" {
		t.Fatalf("the backup's own operation: %v", err)
	}
	if got := w.points(); len(got) != 0 {
		t.Fatalf("recovery points = %v", got)
	}
	w.refused("UserErrorJobHasEnded", http.MethodPost, job+"/cancel", nil)
	close(cluster.hold)
	if job := w.jobOf(w.must(http.MethodPost, w.instance+"/backup", backupBody)); job["status"] != "Completed" {
		t.Fatalf("the next backup = %v", job)
	}
}

// awaitProgress waits until a running job shows the progress that the cluster
// reported.
func (w *world) awaitProgress(job string, want object) {
	w.t.Helper()
	var got object
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		info := w.must(http.MethodGet, job, nil)["properties"].(object)["extendedInfo"].(object)
		got, _ = info["additionalDetails"].(object)
		same := info["dataTransferredInBytes"] == 2048.0
		for name, value := range want {
			same = same && got[name] == value
		}
		if same {
			return
		}
	}
	w.t.Fatalf("progress of %s = %v, want %v", job, got, want)
}

// Of one instance only one job runs; the next begins when it has ended. And an
// instance that is deleted calls its jobs off.
func TestOneJobAtATimeAndDeleteCallsOff(t *testing.T) {
	t.Parallel()
	w, cluster := protectedWorld(t)
	point := func() string {
		w.must(http.MethodPost, w.instance+"/backup", backupBody)
		<-cluster.began
		return w.points()[0]
	}()
	cluster.hold = make(chan struct{})
	if _, err := w.api.Do(t.Context(), http.MethodPost, w.instance+"/backup", apiVersion, backupBody); err != nil {
		t.Fatal(err)
	}
	<-cluster.began
	restore, err := w.api.Do(t.Context(), http.MethodPost, w.instance+"/restore", apiVersion, w.restoreBody(point))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if n := cluster.count(agentv1.KindRestore); n != 0 {
		t.Fatal("a restore began while a backup of the instance ran")
	}
	close(cluster.hold)
	if _, _, err := w.api.Wait(t.Context(), restore, nil); err != nil {
		t.Fatal(err)
	}
	if got := len(w.points()); got != 2 {
		t.Fatalf("%d recovery points, want 2", got)
	}
	w.must(http.MethodDelete, w.instance, nil)
	if n := cluster.count(agentv1.KindDeleteRecoveryPoint); n != 2 {
		t.Fatalf("the cluster deleted %d recovery points, want 2", n)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	w := newWorld(t)
	if _, err := service.Open(t.Context(), service.Options{DataDir: w.dir, Listen: "127.0.0.1:0", AgentListen: "127.0.0.1:0", Advertise: []string{"localhost"}}); err == nil {
		t.Fatal("two services on one data directory")
	}
}

// The first start may be cut off after the administrator was made and before
// admin.json was written.
func TestAdministratorIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	first := w.admin
	w.stop()
	if err := os.Remove(filepath.Join(w.dir, "admin.json")); err != nil {
		t.Fatal(err)
	}
	w.start()
	if w.admin.ClientID == first.ClientID || w.admin.Subscription != first.Subscription {
		t.Fatalf("administrator %+v after %+v", w.admin, first)
	}
	w.must(http.MethodPut, w.group, object{"location": "local"})
}
