package mover

import (
	"context"
	"errors"
	"fmt"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/gate"
	"holdfast.dev/holdfast/internal/objstore/wrap"
	"holdfast.dev/holdfast/internal/repo"
)

// Run carries an order out. report is called now and then with what was done
// so far. The error is in the Report too, as a Problem.
func Run(ctx context.Context, order Order, report func(agentv1.Progress)) (Report, error) {
	result, err := run(ctx, order, report)
	if err != nil {
		result.Problem = problemOf(order, err)
	}
	return result, err
}

func run(ctx context.Context, order Order, report func(agentv1.Progress)) (Report, error) {
	repository, closing, err := open(ctx, order)
	if err != nil {
		return Report{}, err
	}
	defer closing()
	switch order.Task {
	case Save:
		return save(ctx, order, repository, report)
	case Load:
		return load(ctx, order, repository, report)
	}
	return Report{}, fmt.Errorf("an order to %q is not known", order.Task)
}

// open opens the repository behind the gate.
func open(ctx context.Context, order Order) (*repo.Repository, func(), error) {
	grant := order.Repository
	if grant.Gate == nil {
		return nil, nil, errors.New("the order has no grant of the gate")
	}
	key, err := repo.ParseKey(grant.Key)
	if err != nil {
		return nil, nil, errors.New("the order has no usable key")
	}
	store, err := gate.Open(ctx, *grant.Gate, gate.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("open the gate: %w", err)
	}
	limit := wrap.NewLimit(wrap.Limits{BytesPerSecond: order.BytesPerSecond})
	repository, err := repo.Open(ctx, wrap.Retry(limit.Store(wrap.Patience(store, 0)), wrap.Retries{}), key)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open repository: %w", err), store.Close())
	}
	return repository, func() { _, _ = repository.Close(), store.Close() }, nil
}

// Codes of a mover's problems.
const (
	// CodeGate: the gate does not let the mover in, or not any more.
	CodeGate = "UserErrorGateRefused"
	// CodeDevice: the device cannot be read or written.
	CodeDevice = "UserErrorVolumeDataUnreadable"
	// CodeMove: anything else.
	CodeMove = "KubernetesBackupMoverFailed"
)

// problemOf turns the error of an order into one for people.
func problemOf(order Order, err error) *agentv1.Problem {
	p := &agentv1.Problem{Code: CodeMove, Message: fmt.Sprintf("Moving %s failed: %v", order.Stream, err), Target: order.Stream,
		Actions: []string{"Try again; when it happens again, read the mover's log."}, Retryable: true}
	switch {
	case errors.Is(err, gate.ErrGrant):
		p.Code, p.Actions = CodeGate, []string{"Start the operation again: its right to the vault has ended."}
	case errors.Is(err, objstore.ErrUnavailable):
		p.Actions = []string{"Check that the service can be reached from the cluster, then try again."}
	case errors.Is(err, errDevice):
		p.Code, p.Actions = CodeDevice, []string{"Check the CSI driver and the node's log, then try again."}
	case errors.Is(err, repo.ErrDamaged):
		p.Actions, p.Retryable = []string{"Restore from another recovery point or another copy."}, false
	}
	return p
}
