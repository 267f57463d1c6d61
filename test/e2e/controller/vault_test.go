//go:build e2e

package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/gate/gatetest"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/filesystem"
	"holdfast.dev/holdfast/internal/repo"
)

// vault is a folder behind a gate that pods reach.
type vault struct {
	*world
	gate  *gatetest.World
	store objstore.Store
	key   []byte
	// limits of what is copied
	limits agentv1.VaultLimits
}

func newVault(w *world) *vault {
	w.t.Helper()
	store, err := filesystem.Open(w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	named := metav1.ObjectMeta{Namespace: w.own, Name: movers.ServiceAccount}
	w.create(&corev1.ServiceAccount{ObjectMeta: named})
	w.create(&rbacv1.Role{ObjectMeta: named, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"snapshot.storage.k8s.io"}, Resources: []string{"volumesnapshots"}, Verbs: []string{"get"}}}})
	w.create(&rbacv1.RoleBinding{ObjectMeta: named, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: movers.ServiceAccount},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.own, Name: movers.ServiceAccount}}})
	return &vault{world: w, gate: gatetest.New(w.t, store, gatetest.Options{Host: hostAddress}), store: store, key: bytes.Repeat([]byte{9}, 32)}
}

// grantSecret makes the grant of an operation on a recovery point.
func (v *vault) grantSecret(operation string, n int, vaulting bool) {
	v.t.Helper()
	usual := gatetest.Usual()
	usual.Operation, usual.RecoveryPoint = operation, point(n)
	if !vaulting {
		usual.Rights = grants.Read
	}
	opened := v.gate.Grant(usual)
	there := agentv1.RepositoryGrant{Prefix: gatetest.Prefix, Key: v.key, Gate: &opened}
	grant := v1alpha1.Grant{RepositoryGrant: there}
	if vaulting {
		grant = v1alpha1.Grant{RepositoryGrant: agentv1.RepositoryGrant{Prefix: "r/", Key: v.world.key}, Target: &there}
	}
	raw, err := json.Marshal(grant)
	if err != nil {
		v.t.Fatal(err)
	}
	v.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v.own, Name: "grant-" + operation}, Data: map[string][]byte{v1alpha1.GrantKey: raw}})
}

// copy asks for a recovery point to be copied into the vault.
func (v *vault) copy(operation string, n int, base string) *v1alpha1.VaultRun {
	v.t.Helper()
	v.grantSecret(operation, n, true)
	run := &v1alpha1.VaultRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.own, Name: v.named(operation)},
		Spec: v1alpha1.VaultRunSpec{RunSpec: v1alpha1.RunSpec{OperationID: v.id(operation), GrantSecret: "grant-" + operation},
			Vault: agentv1.Vault{InstanceID: "instance", RecoveryPointID: point(n), Base: base, Limits: v.limits}},
	}
	v.create(run)
	return run
}

// back asks for a restore from the vault beside the original.
func (v *vault) back(operation string, n int) *v1alpha1.RestoreRun {
	v.t.Helper()
	v.grantSecret(operation, n, false)
	run := &v1alpha1.RestoreRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.own, Name: v.named(operation)},
		Spec: v1alpha1.RestoreRunSpec{RunSpec: v1alpha1.RunSpec{OperationID: v.id(operation), GrantSecret: "grant-" + operation},
			Restore: agentv1.Restore{InstanceID: "instance", RecoveryPointID: point(n), ConflictPolicy: agentv1.ConflictSkip, RestoreVolumeData: true,
				Selection: agentv1.Selection{IncludedNamespaces: []string{v.app}}, NamespaceMappings: map[string]string{v.app: v.app + "-back"}}},
	}
	v.create(run)
	v.t.Cleanup(func() { v.gone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v.app + "-back"}}) })
	return run
}

// verified says what the vault has of a recovery point, having read all of it.
func (v *vault) verified(n int) repo.Manifest {
	v.t.Helper()
	key, err := repo.ParseKey(v.key)
	if err != nil {
		v.t.Fatal(err)
	}
	r, err := repo.Open(context.Background(), objstore.Sub(v.store, gatetest.Prefix), key)
	if err != nil {
		v.t.Fatal(err)
	}
	defer r.Close()
	if err := r.Verify(context.Background(), point(n)); err != nil {
		v.t.Error(err)
	}
	m, err := r.Manifest(context.Background(), point(n))
	if err != nil {
		v.t.Fatal(err)
	}
	return m
}

// noHelpers waits until no Jobs, claims and kept volumes of an operation are left:
// what a run has deleted goes when the cluster comes to it.
func (v *vault) noHelpers(operation string) {
	v.t.Helper()
	v.until("no helpers of "+operation, func() bool {
		left := 0
		for _, list := range []client.ObjectList{&batchv1.JobList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{}} {
			if err := v.client.List(context.Background(), list, client.MatchingLabels{v1alpha1.LabelOperation: v.named(operation)}); err != nil {
				v.t.Fatal(err)
			}
			left += meta.LenList(list)
		}
		return left == 0
	})
}

// exec runs a command in the application's pod.
func (w *world) exec(command string) string {
	w.t.Helper()
	out, err := kubectl(context.Background(), "exec", "-n", w.app, "deployment/web", "--", "sh", "-c", command)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func took(s *v1alpha1.RunStatus) time.Duration { return s.FinishedAt.Sub(s.StartedAt.Time) }

// TestVaultAndBack copies two recovery points into the vault, loses everything
// else, and restores the second from there.
func TestVaultAndBack(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	v := newVault(w)
	w.start()
	w.finished(w.backup("one", 1), v1alpha1.PhaseSucceeded)
	first := v.copy("vault-one", 1, "")
	w.finished(first, v1alpha1.PhaseSucceeded)
	v.noHelpers("vault-one")
	for _, volume := range first.Status.Result.Volumes {
		if (volume.Stream != "") != (volume.Claim == "data" || volume.Claim == "raw") {
			t.Errorf("%+v", volume)
		}
	}
	if m := v.verified(1); len(m.Streams) != 3 || m.Root != first.Status.Result.Root {
		t.Errorf("%+v", m)
	}

	w.exec("echo second > /data/second; echo raw > /dev/raw; sync")
	w.finished(w.backup("two", 2), v1alpha1.PhaseSucceeded)
	second := v.copy("vault-two", 2, point(1))
	w.finished(second, v1alpha1.PhaseSucceeded)
	v.verified(2)
	t.Logf("stored %d bytes in %s, then %d in %s", first.Status.Result.BytesStored, took(&first.Status.RunStatus),
		second.Status.Result.BytesStored, took(&second.Status.RunStatus))

	for i, n := range []int{1, 2} {
		w.finished(w.remove([]string{"gone-one", "gone-two"}[i], n), v1alpha1.PhaseSucceeded)
	}
	w.gone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.app}})
	restored := v.back("back", 2)
	w.finished(restored, v1alpha1.PhaseSucceeded)
	v.noHelpers("back")
	t.Logf("restored in %s", took(&restored.Status.RunStatus))
	w.until("the restored application", func() bool {
		d := &appsv1.Deployment{}
		err := w.client.Get(context.Background(), client.ObjectKey{Namespace: w.app + "-back", Name: "web"}, d)
		return err == nil && d.Status.ReadyReplicas == 1
	})
	w.app += "-back"
	if got := w.exec("cat /data/file /data/second; head -c 4 /dev/raw"); got != "precious\nsecond\nraw\n" {
		t.Errorf("restored %q", got)
	}
}

// TestVaultWithinLimits: a volume that the policy leaves out of the vault is named
// with its code, and the others are copied.
func TestVaultWithinLimits(t *testing.T) {
	w := newWorld(t)
	w.deploy()
	v := newVault(w)
	w.start()
	w.finished(w.backup("one", 1), v1alpha1.PhaseSucceeded)
	v.limits = agentv1.VaultLimits{VolumeBytes: 32 << 20}
	run := v.copy("bounded", 1, "")
	w.finished(run, v1alpha1.PhaseSucceeded)
	v.noHelpers("bounded")
	for _, volume := range run.Status.Result.Volumes {
		switch volume.Claim {
		case "data": // of 64 MiB
			if volume.State != agentv1.VolumeSkipped || volume.ReasonCode != "UserErrorVolumeTooLargeForVaultTier" || volume.Stream != "" {
				t.Errorf("%+v", volume)
			}
		case "raw": // of 32 MiB
			if volume.State != agentv1.VolumeProtected || volume.Stream == "" {
				t.Errorf("%+v", volume)
			}
		}
	}
	told := 0
	for _, warning := range run.Status.Warnings {
		if warning.Problem.Code == "UserErrorVolumeTooLargeForVaultTier" {
			told++
		}
	}
	if m := v.verified(1); len(m.Streams) != 2 || told != 1 {
		t.Errorf("%d streams, told %d times: %+v", len(m.Streams), told, run.Status.Warnings)
	}
}
