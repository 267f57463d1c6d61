package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/session"
	"holdfast.dev/holdfast/internal/clock"
)

// ValuesSecret is the Secret, made empty by the connector's chart, that holds
// what was declared: one key per extension.
const ValuesSecret = "extension-values"

// Problem codes of the handler.
const (
	// CodeNotUnderstood: this connector cannot carry the operation out.
	CodeNotUnderstood = "OperationNotSupported"
	// CodeDeclare: the extension could not be declared in the cluster.
	CodeDeclare = "ExtensionNotDeclared"
	// CodeTimeout: the operator did not finish by the deadline.
	CodeTimeout = "ExtensionOperationTimedOut"
)

const (
	defaultPoll = time.Second
	// margin is how much before the operation's deadline the operator gives up,
	// so that its reasons still reach the service.
	margin = 30 * time.Second
	// longest is the longest an install or a removal may take.
	longest = 10 * time.Minute
)

// Handler carries out the connector's operations: it writes what was declared
// into the cluster and reports what the operator makes of it.
type Handler struct {
	Client    client.Client // reads must not come from a cache
	Namespace string        // of the connector
	Clock     clock.Clock
	Log       *slog.Logger
	Poll      time.Duration // between two looks at the status; 0 means a second
}

// Handle implements session.Handler.
func (h *Handler) Handle(ctx context.Context, operation agentv1.Operation, report session.Report) session.Result {
	extension, err := h.declare(ctx, operation)
	switch {
	case ctx.Err() != nil:
		return session.Result{}
	case err != nil:
		return session.Failure(agentv1.Problem{Code: CodeDeclare, Message: err.Error(), Retryable: true,
			Actions: []string{"Check that the connector is installed completely, then try again."}})
	case extension == nil:
		return session.Result{Outcome: agentv1.OutcomeSucceeded} // nothing there to remove
	}
	return h.follow(ctx, operation, extension, report)
}

// declare writes the values and the Extension object; it returns nil when a
// removal finds nothing. Secret first: the operator never sees half of it.
func (h *Handler) declare(ctx context.Context, operation agentv1.Operation) (*v1alpha1.Extension, error) {
	var install agentv1.InstallExtension
	var removal agentv1.DeleteExtension
	switch operation.Kind {
	case agentv1.KindInstallExtension:
		if err := json.Unmarshal(operation.Spec, &install); err != nil {
			return nil, fmt.Errorf("decode the spec: %w", err)
		}
		if err := h.setValues(ctx, objectName(install.Name), operation.Spec); err != nil {
			return nil, err
		}
		return h.put(ctx, install.Name, func(spec *v1alpha1.ExtensionSpec) {
			*spec = v1alpha1.ExtensionSpec{
				Name: install.Name, ExtensionType: install.ExtensionType, Version: install.Version,
				AgentAddress: install.AgentAddress, ValuesSecret: ValuesSecret,
				OperationID: operation.ID, Deadline: h.deadline(spec, operation),
			}
		})
	case agentv1.KindDeleteExtension:
		if err := json.Unmarshal(operation.Spec, &removal); err != nil {
			return nil, fmt.Errorf("decode the spec: %w", err)
		}
		return h.putRemoval(ctx, removal, operation)
	case agentv1.KindBackup, agentv1.KindValidateBackup, agentv1.KindRestore, agentv1.KindValidateRestore, agentv1.KindDeleteRecoveryPoint, agentv1.KindVault:
	}
	return nil, fmt.Errorf("%s: operations of kind %s are not for the connector", CodeNotUnderstood, operation.Kind)
}

func (h *Handler) putRemoval(ctx context.Context, removal agentv1.DeleteExtension, operation agentv1.Operation) (*v1alpha1.Extension, error) {
	var present v1alpha1.Extension
	err := h.Client.Get(ctx, client.ObjectKey{Namespace: h.Namespace, Name: objectName(removal.Name)}, &present)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read extension %s: %w", removal.Name, err)
	}
	return h.put(ctx, removal.Name, func(spec *v1alpha1.ExtensionSpec) {
		spec.Deadline = h.deadline(spec, operation)
		spec.OperationID, spec.Remove, spec.Force = operation.ID, true, removal.Force
	})
}

// put creates or changes the Extension object of a name.
func (h *Handler) put(ctx context.Context, name string, change func(*v1alpha1.ExtensionSpec)) (*v1alpha1.Extension, error) {
	key := client.ObjectKey{Namespace: h.Namespace, Name: objectName(name)}
	for {
		extension := &v1alpha1.Extension{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		err := h.Client.Get(ctx, key, extension)
		found := err == nil
		if apierrors.IsNotFound(err) || found {
			change(&extension.Spec)
			if found {
				err = h.Client.Update(ctx, extension)
			} else {
				err = h.Client.Create(ctx, extension)
			}
		}
		switch {
		case err == nil:
			return extension, nil
		case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
			continue // somebody was quicker: read again
		default:
			return nil, fmt.Errorf("declare extension %s: %w", name, err)
		}
	}
}

// deadline is when the operator gives up. A delivery of the same operation
// again does not move it.
func (h *Handler) deadline(spec *v1alpha1.ExtensionSpec, operation agentv1.Operation) *metav1.Time {
	if spec.OperationID == operation.ID && spec.Deadline != nil {
		return spec.Deadline
	}
	at := h.Clock.Now().Add(longest)
	if limit := operation.Deadline.Add(-margin); !operation.Deadline.IsZero() && limit.Before(at) {
		at = limit
	}
	return &metav1.Time{Time: at}
}
