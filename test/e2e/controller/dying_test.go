//go:build e2e

package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/gate/gatetest"
)

// dying is the way of a controller to the API server. The controller dies right
// after each write that is new: the server has it, and nobody knows.
type dying struct {
	next   http.RoundTripper
	writes string
}

func (d dying) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(r)
	if err == nil && response.StatusCode < 300 && d.isNew(r) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // not one step further
	}
	return response, err
}

// isNew says whether a request that succeeded wrote what no request before did:
// an object can be created once, all else is remembered by its path. Tokens and
// reviews are answers, not writes.
func (d dying) isNew(r *http.Request) bool {
	switch {
	case r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/token") || strings.HasSuffix(r.URL.Path, "reviews"):
		return false
	case r.Method == http.MethodPost:
		return true
	}
	sum := sha256.Sum256([]byte(r.Method + r.URL.Path))
	file, err := os.OpenFile(filepath.Join(d.writes, hex.EncodeToString(sum[:])), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	file.Close()
	return true
}

// mostLives is more than any run has writes.
const mostLives = 150

// diesUntil starts controllers, each when the one before it is dead, until the
// run is over, and says how many there were.
func (w *world) diesUntil(over func() bool) int {
	w.t.Helper()
	w.writes = w.t.TempDir()
	defer func() { w.writes = "" }()
	for lives := 1; lives <= mostLives; lives++ {
		w.start()
		dead := make(chan struct{})
		go func(process *exec.Cmd) {
			defer close(dead)
			_ = process.Wait() // killed, by itself
		}(w.process)
		ended := false
		w.until("a controller to die, or the run to end", func() bool {
			select {
			case <-dead:
				return true
			default:
				ended = over()
				return ended
			}
		})
		if !ended {
			<-dead
			continue
		}
		_ = w.process.Process.Kill() // it may have died just now
		<-dead
		return lives
	}
	w.t.Fatalf("the run is not over after %d controllers", mostLives)
	return 0
}

// TestVaultAndBackWithDyingControllers copies a recovery point into the vault and
// restores it from there with controllers that die at every single write.
func TestVaultAndBackWithDyingControllers(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	v := newVault(w)
	w.start()
	w.finished(w.backup("dying", 1), v1alpha1.PhaseSucceeded)
	w.kill()

	copied := v.copy("dying-vault", 1, "")
	lives := w.diesUntil(func() bool { return w.isOver(copied) })
	w.finished(copied, v1alpha1.PhaseSucceeded)
	v.noHelpers("dying-vault")
	v.verified(1)
	t.Logf("copied by %d controllers in %s", lives, took(&copied.Status.RunStatus))
	if lives < 15 {
		t.Errorf("only %d controllers", lives)
	}
	if n := v.packs(); n > 3 { // one of the objects, one of each volume
		t.Errorf("%d packs were sent", n)
	}
	w.known(protected(copied.Status.Result.Volumes), true)

	restored := v.back("dying-back", 1)
	lives = w.diesUntil(func() bool { return w.isOver(restored) })
	w.finished(restored, v1alpha1.PhaseSucceeded)
	v.noHelpers("dying-back")
	t.Logf("restored by %d controllers in %s", lives, took(&restored.Status.RunStatus))
	if lives < 20 {
		t.Errorf("only %d controllers", lives)
	}
	v.wantBack()
}

// TestVaultAndBackWithoutMovers takes away the pods and then the Jobs of movers.
func TestVaultAndBackWithoutMovers(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	v := newVault(w)
	w.start()
	w.finished(w.backup("taken", 1), v1alpha1.PhaseSucceeded)
	copied := v.copy("taken-vault", 1, "")
	v.takeMovers(copied.Name)
	w.finished(copied, v1alpha1.PhaseSucceeded)
	v.noHelpers("taken-vault")
	v.verified(1)
	restored := v.back("taken-back", 1)
	v.takeMovers(restored.Name)
	w.finished(restored, v1alpha1.PhaseSucceeded)
	v.noHelpers("taken-back")
	v.wantBack()
}

// takeMovers deletes the first pod of an operation's movers that is seen, and
// then the first Job.
func (v *vault) takeMovers(operation string) {
	v.t.Helper()
	ctx := context.Background()
	jobs, pods := &batchv1.JobList{}, &corev1.PodList{}
	v.until("a mover's pod", func() bool {
		if err := v.client.List(ctx, jobs, client.InNamespace(v.own), client.MatchingLabels{v1alpha1.LabelOperation: operation}); err != nil {
			v.t.Fatal(err)
		}
		if err := v.client.List(ctx, pods, client.InNamespace(v.own), client.HasLabels{batchv1.JobNameLabel}); err != nil {
			v.t.Fatal(err)
		}
		return len(jobs.Items) > 0 && len(pods.Items) > 0
	})
	if err := v.client.Delete(ctx, &pods.Items[0], client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		v.t.Fatal(err)
	}
	last := &jobs.Items[len(jobs.Items)-1]
	if err := v.client.Delete(ctx, last, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
		v.t.Fatal(err)
	}
}

// isOver says whether a run has come to its end.
func (w *world) isOver(run interface {
	client.Object
	Common() (*v1alpha1.RunSpec, *v1alpha1.RunStatus)
}) bool {
	if err := w.client.Get(context.Background(), client.ObjectKeyFromObject(run), run); err != nil {
		w.t.Fatal(err)
	}
	_, status := run.Common()
	return status.Phase.Final()
}

// packs counts the packs in the vault.
func (v *vault) packs() int {
	v.t.Helper()
	count := 0
	for object, err := range v.store.List(context.Background(), gatetest.Prefix+"packs/") {
		if err != nil {
			v.t.Fatal(err)
		}
		if object.Size > 0 {
			count++
		}
	}
	return count
}

// wantBack looks at the application that was restored beside the original.
func (v *vault) wantBack() {
	v.t.Helper()
	original := v.exec("cat /data/file; sha256sum < /dev/raw")
	before := v.app
	v.app += "-back"
	defer func() { v.app = before }()
	v.until("the restored application", func() bool {
		d := &appsv1.Deployment{}
		err := v.client.Get(context.Background(), client.ObjectKey{Namespace: v.app, Name: "web"}, d)
		return err == nil && d.Status.ReadyReplicas == 1
	})
	if got := v.exec("cat /data/file; sha256sum < /dev/raw"); got != original || !strings.HasPrefix(got, "precious\n") {
		v.t.Errorf("restored %q, the original has %q", got, original)
	}
}
