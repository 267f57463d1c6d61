package runs

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
)

// run is one run object of whatever kind, with its shared parts at hand.
type run struct {
	object client.Object
	spec   *v1alpha1.RunSpec
	status *v1alpha1.RunStatus
	result func() any // nil when there is none
}

// newRun makes the run object of an operation and the secret part it must not
// carry itself.
func newRun(operation agentv1.Operation) (run, v1alpha1.Grant, error) {
	switch operation.Kind {
	case agentv1.KindBackup, agentv1.KindValidateBackup:
		return newBackup(operation)
	case agentv1.KindRestore, agentv1.KindValidateRestore:
		return newRestore(operation)
	case agentv1.KindDeleteRecoveryPoint:
		return newDeletion(operation)
	case agentv1.KindVault:
		return newVault(operation)
	case agentv1.KindInstallExtension, agentv1.KindDeleteExtension:
	}
	return run{}, v1alpha1.Grant{}, fmt.Errorf("operations of kind %s are not known here", operation.Kind)
}

func newBackup(operation agentv1.Operation) (run, v1alpha1.Grant, error) {
	object := &v1alpha1.BackupRun{}
	if err := decode(operation, &object.Spec.Backup); err != nil {
		return run{}, v1alpha1.Grant{}, err
	}
	object.Spec.ValidateOnly = operation.Kind == agentv1.KindValidateBackup
	grant := split(&object.Spec.Backup.Repository, nil)
	result := func() any { return object.Status.Result }
	return named(operation, run{object, &object.Spec.RunSpec, &object.Status.RunStatus, result}), grant, nil
}

func newRestore(operation agentv1.Operation) (run, v1alpha1.Grant, error) {
	object := &v1alpha1.RestoreRun{}
	if err := decode(operation, &object.Spec.Restore); err != nil {
		return run{}, v1alpha1.Grant{}, err
	}
	object.Spec.DryRun = operation.Kind == agentv1.KindValidateRestore
	grant := split(&object.Spec.Restore.Repository, object.Spec.Restore.Location)
	result := func() any { return object.Status.Result }
	return named(operation, run{object, &object.Spec.RunSpec, &object.Status.RunStatus, result}), grant, nil
}

func newDeletion(operation agentv1.Operation) (run, v1alpha1.Grant, error) {
	object := &v1alpha1.RecoveryPointDeletion{}
	if err := decode(operation, &object.Spec.Deletion); err != nil {
		return run{}, v1alpha1.Grant{}, err
	}
	grant := split(&object.Spec.Deletion.Repository, object.Spec.Deletion.Location)
	none := func() any { return nil }
	return named(operation, run{object, &object.Spec.RunSpec, &object.Status.RunStatus, none}), grant, nil
}

func newVault(operation agentv1.Operation) (run, v1alpha1.Grant, error) {
	object := &v1alpha1.VaultRun{}
	if err := decode(operation, &object.Spec.Vault); err != nil {
		return run{}, v1alpha1.Grant{}, err
	}
	grant := split(&object.Spec.Vault.Source, object.Spec.Vault.Location)
	target := split(&object.Spec.Vault.Target, nil)
	grant.Target = &target.RepositoryGrant
	result := func() any { return object.Status.Result }
	return named(operation, run{object, &object.Spec.RunSpec, &object.Status.RunStatus, result}), grant, nil
}

// named fills what the runs of every kind share.
func named(operation agentv1.Operation, r run) run {
	name := v1alpha1.RunName(operation.ID)
	r.object.SetName(name)
	r.object.SetLabels(map[string]string{v1alpha1.LabelOperation: name})
	r.spec.OperationID, r.spec.GrantSecret = operation.ID, name
	if !operation.Deadline.IsZero() {
		r.spec.Deadline = &metav1.Time{Time: operation.Deadline}
	}
	return r
}

// split takes the keys out of a repository grant and its location and returns
// the grant with them.
func split(repository *agentv1.RepositoryGrant, location *agentv1.StorageLocation) v1alpha1.Grant {
	grant := v1alpha1.Grant{RepositoryGrant: *repository}
	repository.Key, repository.Gate = nil, nil
	if location != nil {
		whole := *location
		grant.Location = &whole
		location.Key = ""
	}
	return grant
}

func decode(operation agentv1.Operation, out any) error {
	if err := json.Unmarshal(operation.Spec, out); err != nil {
		return fmt.Errorf("decode the spec of a %s operation: %w", operation.Kind, err)
	}
	return nil
}
