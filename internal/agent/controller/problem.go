package controller

import (
	"context"
	"errors"
	"fmt"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/mover"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/gate"
	"holdfast.dev/holdfast/internal/repo"
)

// Codes of runs that failed, spelled as Azure Backup does where it has one.
const (
	CodeDeadline         = "KubernetesBackupCustomResourcesTrackingTimeOutError"
	CodeNoLocation       = "UserErrorNoDefaultBackupStorageLocationFound"
	CodeLocationDenied   = "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation"
	CodeLocationNotReady = "UserErrorBackupStorageLocationNotReady"
	CodeLocationReadOnly = "UserErrorBackupFailedBackupStorageLocationReadOnly"
	CodeGrantMissing     = "UserErrorRepositoryGrantMissing"
	CodeRepositoryKey    = "UserErrorRepositoryKeyMismatch"
	CodeRepositoryNewer  = "UserErrorRepositoryVersionNotSupported"
	CodeRepositoryDamage = "UserErrorRepositoryDamaged"
	CodePointNotFound    = "UserErrorRecoveryPointNotFound"
	CodePointVoid        = "UserErrorRecoveryPointVoid"
	CodeSnapshotSetup    = "UserErrorVolumeSnapshotClassMissing"
	CodePermissions      = "UserErrorExtensionMissingPermissionsOnCluster"
	CodeLeftover         = "KubernetesBackupLeftoverObjects"
	CodeInvalidInput     = "BMSUserErrorInvalidInput"
	CodeGeneric          = "KubernetesBackupGenericError"
)

// Causes that end a task's context.
var (
	errCancelled = errors.New("cancelled on request")
	errDeadline  = errors.New("deadline passed")
	errShutdown  = errors.New("controller is stopping")
)

// known are errors of other packages with a stable code and advice.
var known = []struct {
	is        error
	code      string
	action    string
	retryable bool
}{
	{gate.ErrGrant, mover.CodeGate, "Start the operation again: its right to the vault has ended.", true},
	{errDeadline, CodeDeadline, "Check the pods of the extension's namespace; add a node or raise the extension's limits.", true},
	{objstore.ErrForbidden, CodeLocationDenied, "Assign Storage Blob Data Contributor on the storage account to the extension's identity.", false},
	{objstore.ErrNoBucket, CodeLocationNotReady, "Create the container or folder of the storage location again, or install the extension with another.", false},
	{objstore.ErrUnavailable, CodeLocationNotReady, "Check that the storage location can be reached from the cluster, then try again.", true},
	{repo.ErrWrongKey, CodeRepositoryKey, "Use the key the repository was made with, or an empty storage location.", false},
	{repo.ErrVersion, CodeRepositoryNewer, "Upgrade the extension.", false},
	{repo.ErrNoRecoveryPoint, CodePointNotFound, "Choose a recovery point that exists.", false},
	{repo.ErrNoRepository, CodePointNotFound, "Choose a recovery point that exists, and the storage location it lies in.", false},
	{repo.ErrVoid, CodePointVoid, "Start a new backup.", false},
	{repo.ErrDamaged, CodeRepositoryDamage, "Restore from another recovery point or another copy.", false},
}

// problemOf turns the error a run failed with into one for people. The cause of
// an ended context says more than the error it led to.
func problemOf(ctx context.Context, step string, err error) *agentv1.Problem {
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	var problem *agentv1.Problem
	if errors.As(err, &problem) {
		return problem
	}
	for _, k := range known {
		if errors.Is(err, k.is) {
			return &agentv1.Problem{Code: k.code, Message: message(step, err), Actions: []string{k.action}, Retryable: k.retryable}
		}
	}
	return &agentv1.Problem{Code: CodeGeneric, Message: message(step, err), Retryable: true,
		Actions: []string{"Try again; when it happens again, read the controller's log."}}
}

func message(step string, err error) string { return fmt.Sprintf("Step %s failed: %v", step, err) }

func problem(code, action, format string, args ...any) *agentv1.Problem {
	return &agentv1.Problem{Code: code, Message: fmt.Sprintf(format, args...), Actions: []string{action}}
}
