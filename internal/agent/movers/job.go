package movers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ServiceAccount is the one of mover pods. It has no rights and no token.
const ServiceAccount = "holdfast-mover"

const (
	orderKey    = "order.json"
	orderFolder = "/etc/holdfast/order"
	// OrderFile is where a mover finds its order.
	OrderFile = orderFolder + "/" + orderKey
)

// attempts is how often a pod is started for one Job: a node may go away, or
// the service for longer than its clients are patient.
const attempts = 4

// defaultDeadline ends a Job that has none of its own.
const defaultDeadline = 24 * time.Hour

// Template is what mover pods have of the controller's own pod.
type Template struct {
	Image       string
	PullPolicy  corev1.PullPolicy
	PullSecrets []corev1.LocalObjectReference
	Resources   corev1.ResourceRequirements
	Tolerations []corev1.Toleration
}

// OwnPod returns the template that follows from a pod of the extension.
func OwnPod(c client.Client, namespace, name string) func(ctx context.Context) (Template, error) {
	return func(ctx context.Context) (Template, error) {
		pod := &corev1.Pod{}
		if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, pod); err != nil {
			return Template{}, fmt.Errorf("read own pod %s: %w", name, err)
		}
		own := pod.Spec.Containers[0]
		return Template{Image: own.Image, PullPolicy: own.ImagePullPolicy, PullSecrets: pod.Spec.ImagePullSecrets,
			Resources: own.Resources, Tolerations: pod.Spec.Tolerations}, nil
	}
}

// Name is the name of a Job, the same for every attempt: a word that says what
// for, and a hash of the operation and of what it is about.
func Name(word, operation string, about ...string) string {
	sum := sha256.Sum256([]byte(operation + "\x00" + strings.Join(about, "\x00")))
	return "holdfast-" + word + "-" + hex.EncodeToString(sum[:10])
}

// job is the Job of a work.
func (m *Movers) job(work Work, t Template) *batchv1.Job {
	deadline := work.Deadline
	if deadline == 0 {
		deadline = defaultDeadline
	}
	meta := m.meta(work)
	meta.Annotations = map[string]string{targetAnnotation: work.Grant().URL, nodeAnnotation: work.Node}
	spec := podSpec(work, t)
	spec.TopologySpreadConstraints = spread(m.Limits.OrDefault().PerNode)
	return &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{
		BackoffLimit:          new(int32(attempts - 1)),
		ActiveDeadlineSeconds: new(int64(deadline.Seconds())),
		// A node that is drained or lost is no failure of the mover.
		PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{Action: batchv1.PodFailurePolicyActionIgnore,
			OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}}}},
		// Not restarted in place: the report of every attempt stays readable.
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{nameLabel: moverName, "app.kubernetes.io/part-of": "holdfast"}},
			Spec:       spec,
		},
	}}
}

// What the pods of all movers bear.
const (
	nameLabel = "app.kubernetes.io/name"
	moverName = "holdfast-mover"
)

// What a Job says of its work, for a controller that did not start it.
const (
	targetAnnotation = "holdfast.dev/target"
	nodeAnnotation   = "holdfast.dev/node"
)

// spread lets the scheduler choose the emptier node, and never one with so many
// movers while another that could be used has none.
func spread(perNode int) []corev1.TopologySpreadConstraint {
	constraint := func(skew int32, unsatisfied corev1.UnsatisfiableConstraintAction) corev1.TopologySpreadConstraint {
		return corev1.TopologySpreadConstraint{MaxSkew: skew, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: unsatisfied,
			LabelSelector:    &metav1.LabelSelector{MatchLabels: map[string]string{nameLabel: moverName}},
			NodeTaintsPolicy: new(corev1.NodeInclusionPolicyHonor)}
	}
	return []corev1.TopologySpreadConstraint{constraint(1, corev1.ScheduleAnyway), constraint(int32(perNode), corev1.DoNotSchedule)}
}

func podSpec(work Work, t Template) corev1.PodSpec {
	spec := corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		ServiceAccountName:           ServiceAccount,
		AutomountServiceAccountToken: new(bool),
		EnableServiceLinks:           new(bool),
		ImagePullSecrets:             t.PullSecrets,
		Tolerations:                  t.Tolerations,
		// Device nodes belong to root; no capability is added to that.
		SecurityContext: &corev1.PodSecurityContext{RunAsUser: new(int64), RunAsGroup: new(int64),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers: []corev1.Container{{
			Name: "mover", Image: t.Image, ImagePullPolicy: t.PullPolicy, Resources: t.Resources,
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError, // of one that had no time for a report
			Args:                     []string{"mover", "--order", OrderFile},
			Env: []corev1.EnvVar{{Name: "TMPDIR", Value: "/tmp"},
				{Name: "HOLDFAST_MEMORY_LIMIT", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory"}}}},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(bool), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			VolumeDevices: []corev1.VolumeDevice{{Name: "data", DevicePath: Device}},
			VolumeMounts:  []corev1.VolumeMount{{Name: "order", MountPath: orderFolder, ReadOnly: true}, {Name: "tmp", MountPath: "/tmp"}},
		}},
		Volumes: []corev1.Volume{
			{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: work.Claim}}},
			{Name: "order", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: work.Name}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
	if work.Node != "" {
		spec.Affinity = onNode(work.Node)
	}
	return spec
}

// onNode lets a pod run on one node only, by way of the scheduler, which must
// see it for a volume that waits for its first consumer.
func onNode(name string) *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{name}}}}},
	}}}
}
