package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/session"
)

// follow waits for the operator to finish with the operation.
func (h *Handler) follow(ctx context.Context, operation agentv1.Operation, extension *v1alpha1.Extension, report session.Report) session.Result {
	poll := h.Poll
	if poll == 0 {
		poll = defaultPoll
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		var seen v1alpha1.Extension
		err := h.Client.Get(ctx, client.ObjectKeyFromObject(extension), &seen)
		switch {
		case apierrors.IsNotFound(err) && extension.Spec.Remove:
			return h.removed(extension)
		case err != nil:
			h.Log.WarnContext(ctx, "cannot read an extension, will try again", "extension", extension.Name, "error", err)
		case seen.Status.OperationID == operation.ID && final(seen.Status.Phase):
			return h.result(&seen)
		case seen.Status.OperationID == operation.ID:
			report.Progress(agentv1.Progress{Phase: string(seen.Status.Phase)})
			report.Health(waiting(&seen))
		}
		if late := h.Clock.Now().Sub(extension.Spec.Deadline.Time); late > margin/2 {
			return session.Failure(agentv1.Problem{
				Code: CodeTimeout, Target: extension.Spec.Name, Retryable: true,
				Message: "The connector's operator did not report by the deadline. Last heard: " + orNothing(seen.Status.Message),
				Actions: []string{fmt.Sprintf("Check that it runs: kubectl -n %s get pods -l app.kubernetes.io/name=extension-operator.", h.Namespace)},
			})
		}
		select {
		case <-ctx.Done():
			return session.Result{}
		case <-ticker.C:
		}
	}
}

// waiting is what an extension is not done for.
func waiting(seen *v1alpha1.Extension) agentv1.Health {
	var all agentv1.Health
	for _, health := range seen.Status.Statuses {
		all.Problems = append(all.Problems, health.Problems...)
	}
	all.Healthy = len(all.Problems) == 0
	return all
}

func final(phase v1alpha1.ExtensionPhase) bool {
	return phase == v1alpha1.ExtensionInstalled || phase == v1alpha1.ExtensionFailed || phase == v1alpha1.ExtensionRemoved
}

func (h *Handler) result(seen *v1alpha1.Extension) session.Result {
	switch seen.Status.Phase {
	case v1alpha1.ExtensionFailed:
		problem := agentv1.Problem{Code: CodeTimeout, Message: seen.Status.Message, Target: seen.Spec.Name}
		if seen.Status.Problem != nil {
			problem = *seen.Status.Problem
		}
		return session.Failure(problem)
	case v1alpha1.ExtensionRemoved:
		return h.removed(seen)
	case v1alpha1.ExtensionInstalled, v1alpha1.ExtensionPending, v1alpha1.ExtensionInstalling, v1alpha1.ExtensionRemoving:
	}
	result := session.Result{Outcome: agentv1.OutcomeSucceeded}
	for _, health := range seen.Status.Statuses {
		result.Warnings = append(result.Warnings, health.Warnings...)
	}
	value, err := json.Marshal(agentv1.ExtensionResult{Version: seen.Status.Version, Statuses: seen.Status.Statuses})
	if err != nil {
		return session.Failure(agentv1.Problem{Code: CodeDeclare, Message: fmt.Sprintf("encode the result: %v", err)})
	}
	result.Value = value
	return result
}

// removed forgets the extension once the service knows that it is gone.
func (h *Handler) removed(extension *v1alpha1.Extension) session.Result {
	after := func(ctx context.Context) {
		// The object goes last: while it is there, a repeated removal finds it.
		err := h.setValues(ctx, extension.Name, nil)
		if err == nil {
			err = client.IgnoreNotFound(h.Client.Delete(ctx, extension))
		}
		if err != nil {
			h.Log.WarnContext(ctx, "cannot forget a removed extension", "extension", extension.Name, "error", err)
		}
	}
	return session.Result{Outcome: agentv1.OutcomeSucceeded, After: after}
}

// setValues writes one key of the values Secret; nil removes it.
func (h *Handler) setValues(ctx context.Context, name string, values []byte) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var secret corev1.Secret
		if err := h.Client.Get(ctx, client.ObjectKey{Namespace: h.Namespace, Name: ValuesSecret}, &secret); err != nil {
			return err
		}
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[name] = values
		if values == nil {
			delete(secret.Data, name)
		}
		return h.Client.Update(ctx, &secret)
	})
	if err != nil {
		return fmt.Errorf("write the values of extension %s: %w", name, err)
	}
	return nil
}

// objectName is the name of the object of an extension: its own name in lower
// case where Kubernetes takes that, else a name made from its digest.
func objectName(extension string) string {
	name := strings.ToLower(extension)
	if len(validation.IsDNS1123Label(name)) == 0 {
		return name
	}
	return v1alpha1.RunName(extension)
}

func orNothing(message string) string {
	if message == "" {
		return "nothing."
	}
	return message
}
