//go:build e2e

package controller

import (
	"context"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/snapshot"
)

// deploy starts the application and waits for its pod.
func (w *world) deploy() {
	w.t.Helper()
	w.apply(strings.ReplaceAll(mustRead(w.t, "testdata/app.yaml")[0], "APP", w.app))
	w.t.Cleanup(func() {
		w.gone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.app}})
		w.gone(&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: w.app + "-host"}})
		w.gone(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.app + "-web"}})
	})
	w.until("the application", func() bool {
		d := &appsv1.Deployment{}
		err := w.client.Get(context.Background(), client.ObjectKey{Namespace: w.app, Name: "web"}, d)
		return err == nil && d.Status.ReadyReplicas == 1
	})
	w.until("the claim that no pod uses", func() bool {
		host := &corev1.PersistentVolumeClaim{}
		err := w.client.Get(context.Background(), client.ObjectKey{Namespace: w.app, Name: "host"}, host)
		return err == nil && host.Status.Phase == corev1.ClaimBound
	})
}

func TestBackupAndDeletion(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	w.start()
	run := w.backup("first", 1)
	w.finished(run, v1alpha1.PhaseSucceeded)

	t.Logf("took %s", run.Status.FinishedAt.Sub(run.Status.StartedAt.Time))
	wantVolumes(t, run.Status.Result.Volumes)
	wantWarnings(t, run.Status.Warnings)
	wantKeys(t, w)

	handles := protected(run.Status.Result.Volumes)
	w.known(handles, true)
	w.gone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.app}})
	w.known(handles, true) // the backup outlives the namespace

	deletion := w.remove("second", 1)
	w.finished(deletion, v1alpha1.PhaseSucceeded)
	w.known(handles, false)
	for info, err := range w.repository().Manifests(context.Background()) {
		t.Fatalf("manifest %v is still there (%v)", info, err)
	}
}

func wantVolumes(t *testing.T, volumes []agentv1.Volume) {
	t.Helper()
	want := map[string]string{
		"data": "", "raw": "",
		"scratch": snapshot.CodeExcluded,
		"nosnap":  snapshot.CodeClassMissing,
		"lonely":  snapshot.CodeClaimNotBound,
		"host":    snapshot.CodeTypeNotSupported,
	}
	for _, v := range volumes {
		code, known := want[v.Claim]
		if !known || v.ReasonCode != code {
			t.Errorf("%s: %s %q (%s), want %q", v.Claim, v.State, v.ReasonCode, v.Reason, code)
		}
		if code == "" && (v.SnapshotHandle == "" || v.RestoreSizeBytes == 0 || v.CutAt.IsZero() || v.SnapshotClass != "loop") {
			t.Errorf("%+v", v)
		}
		delete(want, v.Claim)
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
}

func wantWarnings(t *testing.T, warnings []agentv1.Warning) {
	t.Helper()
	var codes []string
	for _, w := range warnings {
		codes = append(codes, w.Problem.Code)
	}
	slices.Sort(codes)
	want := []string{"UserErrorNamespaceNotFound", "UserErrorPVCNotBoundToVolume", "UserErrorPodVolumeNotSupported",
		"UserErrorVolumeSnapshotClassMissing", "UserErrorVolumeTypeNotSupported"}
	if !slices.Equal(codes, want) {
		t.Errorf("warnings %+v, want the codes %v", warnings, want)
	}
}

// wantKeys looks at what is and what is not in the archive.
func wantKeys(t *testing.T, w *world) {
	t.Helper()
	ctx := context.Background()
	r := w.repository()
	if err := r.Verify(ctx, point(1)); err != nil {
		t.Fatal(err)
	}
	m, err := r.Manifest(ctx, point(1))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := r.Archive(ctx, m.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for record, err := range archive.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		found[strings.ReplaceAll(record.Key, w.app, "APP")] = string(record.Value)
	}
	for _, key := range []string{
		"namespaced/apps/Deployment/APP/web", "namespaced/core/ConfigMap/APP/settings", "namespaced/core/Endpoints/APP/outside",
		"namespaced/core/PersistentVolumeClaim/APP/data", "namespaced/core/Service/APP/web", "namespaced/core/ServiceAccount/APP/web",
		"wide/core/Namespace/APP", "wide/rbac.authorization.k8s.io/ClusterRole/view", "wide/storage.k8s.io/StorageClass/loop",
		"wide/rbac.authorization.k8s.io/ClusterRoleBinding/APP-web", "wide/core/PersistentVolume/APP-host",
	} {
		if found[key] == "" {
			t.Errorf("%s is missing", key)
		}
	}
	for key, value := range found {
		for _, bad := range []string{"/Pod/", "/ReplicaSet/", "/Endpoints/APP/web", "/EndpointSlice/", "/Event/", "/VolumeSnapshot/", "kube-root-ca.crt", "Namespace/default"} {
			if strings.Contains(key, bad) {
				t.Errorf("%s is in the archive", key)
			}
		}
		if !strings.Contains(value, `"apiVersion"`) || !strings.Contains(value, `"kind"`) {
			t.Errorf("%s has no type", key)
		}
	}
}

func protected(volumes []agentv1.Volume) []string {
	var handles []string
	for _, v := range volumes {
		if v.SnapshotHandle != "" {
			handles = append(handles, v.SnapshotHandle)
		}
	}
	return handles
}
