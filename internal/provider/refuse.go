package provider

import (
	"net/http"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
)

// statuses are the HTTP statuses of codes that are not a plain 400.
var statuses = map[backup.Code]int{
	backup.CodeVaultNotEmpty:             http.StatusConflict,
	backup.CodePolicyInUse:               http.StatusConflict,
	backup.CodePolicyImmutable:           http.StatusConflict,
	backup.CodeDuplicateInstance:         http.StatusConflict,
	backup.CodeInvalidTransition:         http.StatusConflict,
	backup.CodeSnapshotGroupInUse:        http.StatusConflict,
	backup.CodeDependentResources:        http.StatusConflict,
	backup.CodeClusterConnected:          http.StatusConflict,
	backup.CodeClusterNameTaken:          http.StatusConflict,
	backup.CodeClusterOther:              http.StatusConflict,
	backup.CodeExtensionAlreadyInstalled: http.StatusConflict,
	backup.CodeOperationInProgress:       http.StatusConflict,
	backup.CodeJobEnded:                  http.StatusConflict,
	backup.CodeTooManyBackups:            http.StatusConflict,
	backup.CodeTooManyRestores:           http.StatusConflict,
	backup.CodeTooManyPolicies:           http.StatusConflict,
	backup.CodeTooManyInstances:          http.StatusConflict,
	backup.CodeLocationFixed:             http.StatusConflict,
	backup.CodeAccountTaken:              http.StatusConflict,
	backup.CodeVaultImmutable:            http.StatusConflict,
	backup.CodeSoftDeleted:               http.StatusConflict,
	backup.CodeInternal:                  http.StatusInternalServerError,
}

// refuse turns a broken rule into the answer; nil stays nil.
func refuse(p *backup.Problem) error {
	if p == nil {
		return nil
	}
	status, ok := statuses[p.Code]
	if !ok {
		status = http.StatusBadRequest
	}
	return &arm.Error{
		Status: status, Code: string(p.Code), Message: p.Message, Target: p.Target,
		Actions: p.Actions, Retryable: p.Retryable, UserError: p.Code != backup.CodeInternal,
	}
}

// refused is refuse of an error that is a broken rule; others stay as they are.
func refused(err error) error {
	if problem, ok := backup.AsProblem(err); ok {
		return refuse(problem)
	}
	return err
}

// missing refuses a body that names a resource that does not exist.
func missing(target, what, id string) error {
	return refuse(backup.NewProblem(backup.CodeResourceNotFound, target, "%s %s does not exist", what, id))
}
