package moverstest

import (
	"context"
	"encoding/json"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/internal/agent/mover"
)

// jobs is the Job controller.
func (c *Cluster) jobs(ctx context.Context) {
	for _, job := range list(ctx, c, &batchv1.JobList{}).Items {
		pods := list(ctx, c, &corev1.PodList{}, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name}).Items
		switch {
		case job.DeletionTimestamp != nil:
			for i := range pods {
				_ = c.inner.Delete(ctx, &pods[i])
			}
			if len(pods) == 0 {
				job.Finalizers = nil
				c.write(ctx, &job, false)
			}
		case len(job.Status.Conditions) == 0:
			c.advance(ctx, &job, pods)
		}
	}
}

// advance starts a pod where none is at work, or ends the Job.
func (c *Cluster) advance(ctx context.Context, job *batchv1.Job, pods []corev1.Pod) {
	failed := int32(0)
	for _, pod := range pods {
		switch pod.Status.Phase {
		case corev1.PodSucceeded:
			c.end(ctx, job, batchv1.JobComplete, "CompletionsReached")
			return
		case corev1.PodFailed:
			failed++
		default:
			return // at work
		}
	}
	if failed > *job.Spec.BackoffLimit {
		c.end(ctx, job, batchv1.JobFailed, "BackoffLimitExceeded")
		return
	}
	pod := &corev1.Pod{ObjectMeta: *job.Spec.Template.ObjectMeta.DeepCopy(), Spec: *job.Spec.Template.Spec.DeepCopy()}
	pod.Namespace, pod.Name, pod.UID = job.Namespace, job.Name+"-"+c.handle("pod"), uuid.NewUUID()
	pod.CreationTimestamp = metav1.Now()
	pod.Labels = maps.Clone(pod.Labels)
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels[batchv1.JobNameLabel] = job.Name
	pod.Status.Phase = corev1.PodPending
	if err := c.inner.Create(ctx, pod); err != nil {
		c.t.Error(err)
	}
}

func (c *Cluster) end(ctx context.Context, job *batchv1.Job, how batchv1.JobConditionType, reason string) {
	job.Status.Conditions = []batchv1.JobCondition{{Type: how, Status: corev1.ConditionTrue, Reason: reason}}
	c.write(ctx, job, true)
}

// runPods is the scheduler with the node: it starts pods whose claim and order
// are there, tells how they ended, and kills those that were deleted.
func (c *Cluster) runPods(ctx context.Context) {
	there := map[types.UID]bool{}
	for _, pod := range list(ctx, c, &corev1.PodList{}).Items {
		there[pod.UID] = true
		switch pod.Status.Phase {
		case corev1.PodPending:
			c.startPod(ctx, &pod)
		case corev1.PodRunning:
			p := c.pods[pod.UID]
			<-p.done // as long as it takes: a test has no clock
			c.endPod(ctx, &pod, p.report)
		}
	}
	for uid, p := range c.pods {
		if !there[uid] {
			p.cancel()
			<-p.done
			delete(c.pods, uid)
		}
	}
}

func (c *Cluster) startPod(ctx context.Context, pod *corev1.Pod) {
	var claimName, secretName string
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			claimName = v.PersistentVolumeClaim.ClaimName
		}
		if v.Secret != nil {
			secretName = v.Secret.SecretName
		}
	}
	claim, secret, volume := &corev1.PersistentVolumeClaim{}, &corev1.Secret{}, &corev1.PersistentVolume{}
	if c.inner.Get(ctx, types.NamespacedName{Namespace: pod.Namespace, Name: claimName}, claim) != nil || claim.DeletionTimestamp != nil ||
		claim.Status.Phase != corev1.ClaimBound ||
		c.inner.Get(ctx, types.NamespacedName{Namespace: pod.Namespace, Name: secretName}, secret) != nil ||
		c.inner.Get(ctx, types.NamespacedName{Name: claim.Spec.VolumeName}, volume) != nil {
		return // it stays pending
	}
	var order mover.Order
	if err := json.Unmarshal(secret.Data["order.json"], &order); err != nil {
		c.t.Errorf("order of pod %s: %v", pod.Name, err)
		return
	}
	order.Device = c.path(volume.Spec.CSI.VolumeHandle)
	life, cancel := context.WithCancel(context.Background())
	p := &process{cancel: cancel, done: make(chan struct{})}
	c.pods[pod.UID] = p
	go func() {
		defer close(p.done)
		p.report = c.Move(life, order)
	}()
	pod.Spec.NodeName = "node"
	c.write(ctx, pod, false)
	pod.Status.Phase = corev1.PodRunning
	c.write(ctx, pod, true)
}

func (c *Cluster) endPod(ctx context.Context, pod *corev1.Pod, report mover.Report) {
	raw, err := report.Encode()
	if err != nil {
		c.t.Error(err)
	}
	end := &corev1.ContainerStateTerminated{Message: string(raw), Reason: "Completed"}
	pod.Status.Phase = corev1.PodSucceeded
	if report.Problem != nil {
		pod.Status.Phase, end.ExitCode, end.Reason = corev1.PodFailed, 1, "Error"
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "mover", State: corev1.ContainerState{Terminated: end}}}
	c.write(ctx, pod, true)
}
