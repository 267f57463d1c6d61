package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/preflight"
	"holdfast.dev/holdfast/internal/chart"
)

// ExtensionType is the one type of extension this connector knows; compared
// without regard to case.
const ExtensionType = "Microsoft.DataProtection.Kubernetes"

// Problem codes of an installation.
const (
	CodeTypeNotKnown   = "UserErrorExtensionTypeNotSupported"
	CodeAlreadyThere   = "UserErrorExtensionTypeAlreadyInstalled"
	CodeVersionUnknown = "UserErrorExtensionVersionNotAvailable"
	// CodeNotValid: the cluster will never take an object as it is declared.
	CodeNotValid = "UserErrorExtensionObjectNotValid"
	// CodeRetrying: an attempt failed and is made again, until the deadline.
	CodeRetrying = "ExtensionAttemptFailed"
)

// deployments are what must be ready for the extension to be installed.
var deployments = []string{"holdfast-agent", "holdfast-controller", "holdfast-telemetry"}

// conditionApplied is True for the generation whose values are in the cluster.
const conditionApplied = "Applied"

// installation is the ordered list of steps of an install or upgrade.
func (o *Operator) installation() []step {
	return []step{o.read, o.alone, o.preflight, o.label, o.apply, o.ready}
}

// read fetches what was declared.
func (o *Operator) read(ctx context.Context, j *job) error {
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: j.extension.Namespace, Name: j.extension.Spec.ValuesSecret}
	if err := o.Reader.Get(ctx, key, &secret); err != nil {
		return fmt.Errorf("read the values of the extension: %w", err)
	}
	if err := json.Unmarshal(secret.Data[j.extension.Name], &j.declared); err != nil {
		return fmt.Errorf("decode the values of the extension: %w", err)
	}
	if !strings.EqualFold(j.declared.ExtensionType, ExtensionType) {
		return &agentv1.Problem{Code: CodeTypeNotKnown, Target: j.declared.ExtensionType,
			Message: "This connector installs extensions of the type " + ExtensionType + " only.",
			Actions: []string{"Set extensionType to " + ExtensionType + "."}}
	}
	return o.checkVersion(j)
}

// checkVersion refuses a version that this connector does not carry.
func (o *Operator) checkVersion(j *job) error {
	carried, err := o.Chart.Version()
	if err != nil {
		return err
	}
	if want := j.declared.Version; want != "" && want != carried {
		return &agentv1.Problem{Code: CodeVersionUnknown, Target: want,
			Message: fmt.Sprintf("Version %s was asked for; this connector carries %s.", want, carried),
			Actions: []string{"Leave the version out, or connect the cluster again with the connector of that version."}}
	}
	return nil
}

// alone refuses a second extension of the type: both would work on the same namespace.
func (o *Operator) alone(ctx context.Context, j *job) error {
	var all v1alpha1.ExtensionList
	if err := o.Reader.List(ctx, &all, client.InNamespace(j.extension.Namespace)); err != nil {
		return fmt.Errorf("list extensions: %w", err)
	}
	for _, other := range all.Items {
		if other.Name != j.extension.Name && other.CreationTimestamp.Before(&j.extension.CreationTimestamp) &&
			other.Status.Phase != v1alpha1.ExtensionRemoved {
			return &agentv1.Problem{Code: CodeAlreadyThere, Target: other.Spec.Name,
				Message: fmt.Sprintf("The extension %s of the same type is in this cluster already.", other.Spec.Name),
				Actions: []string{"Use that extension, or delete it first."}}
		}
	}
	return nil
}

// preflight refuses a cluster that cannot run the extension. Once a generation
// has been applied it is not asked again.
func (o *Operator) preflight(ctx context.Context, j *job) error {
	if applied(j) {
		return nil
	}
	facts, err := preflight.Collect(ctx, o.Typed, o.Dynamic)
	if err != nil {
		return fmt.Errorf("look at the cluster: %w", err)
	}
	decision := preflight.Decide(facts)
	if len(decision.Problems) == 0 {
		j.status.Statuses = []agentv1.Health{{Warnings: decision.Warnings}}
		return nil
	}
	first := decision.Problems[0]
	for _, more := range decision.Problems[1:] {
		first.Message += " Also: " + more.Message
		first.Actions = append(first.Actions, more.Actions...)
	}
	j.status.Statuses = []agentv1.Health{{Problems: decision.Problems, Warnings: decision.Warnings}}
	return &first
}

// label sets which pods the extension's namespace admits.
func (o *Operator) label(ctx context.Context, j *job) error {
	standard := "restricted"
	if onDirectory(j.declared.Location) {
		standard = "privileged" // nothing less admits a directory of the node
	}
	patch := fmt.Sprintf(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":%q}}}`, standard)
	_, err := o.Typed.CoreV1().Namespaces().Patch(ctx, o.Namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("label the namespace %s: %w", o.Namespace, err)
	}
	return nil
}

// apply brings the chart into the cluster, once per generation.
func (o *Operator) apply(ctx context.Context, j *job) error {
	if applied(j) {
		return nil
	}
	settings, err := values(j.declared, o.Image)
	if err != nil {
		return err
	}
	if err := o.Chart.Apply(ctx, settings); err != nil {
		return err
	}
	version, err := o.Chart.Version()
	if err != nil {
		return err
	}
	j.status.Version = version
	j.status.Message = "The extension's objects are in the cluster; waiting for its pods."
	meta.SetStatusCondition(&j.status.Conditions, metav1.Condition{
		Type: conditionApplied, Status: metav1.ConditionTrue, Reason: "Applied",
		ObservedGeneration: j.extension.Generation, Message: "The chart is in the cluster.",
	})
	return nil
}

func applied(j *job) bool {
	condition := meta.FindStatusCondition(j.status.Conditions, conditionApplied)
	return condition != nil && condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == j.extension.Generation
}

// ready waits for every deployment. An agent is ready once it is enrolled.
func (o *Operator) ready(ctx context.Context, j *job) error {
	problems, err := chart.Problems(ctx, o.Typed, o.Namespace, deployments)
	if err != nil {
		return err
	}
	health(j, problems)
	if len(problems) == 0 {
		return nil
	}
	j.status.Problem, j.status.Message = &problems[0], problems[0].Message
	return errWait
}

// health writes the view of the whole extension; preflight's warnings stay.
func health(j *job, problems []agentv1.Problem) {
	var warnings []agentv1.Warning
	for _, earlier := range j.status.Statuses {
		warnings = append(warnings, earlier.Warnings...)
	}
	j.status.Statuses = []agentv1.Health{{Healthy: len(problems) == 0, Problems: problems, Warnings: warnings}}
}

// watchOver keeps the health of an installed extension up to date, and brings
// back a deployment that somebody deleted.
func (o *Operator) watchOver(ctx context.Context, j *job) {
	problems, err := chart.Problems(ctx, o.Typed, o.Namespace, deployments)
	if err != nil {
		o.Log.WarnContext(ctx, "cannot look at the extension", "extension", j.extension.Name, "error", err)
		return
	}
	health(j, problems)
	for _, problem := range problems {
		if problem.Code != chart.CodeMissing {
			continue
		}
		meta.RemoveStatusCondition(&j.status.Conditions, conditionApplied)
		for _, s := range []step{o.read, o.label, o.apply} {
			if err := s(ctx, j); err != nil {
				o.Log.WarnContext(ctx, "cannot bring the extension back", "extension", j.extension.Name, "error", err)
				return
			}
		}
		return
	}
}
