package movers

import (
	"bufio"
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// progress passes on the last line of a running mover's log that tells how far
// it is. A log that cannot be read tells nothing, which is no failure.
func (m *Movers) progress(ctx context.Context, pod *corev1.Pod, report func(agentv1.Progress)) {
	if pod == nil || pod.Status.Phase != corev1.PodRunning {
		return
	}
	log, err := m.Kube.CoreV1().Pods(m.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: new(int64(5))}).Stream(ctx)
	if err != nil {
		return
	}
	defer log.Close()
	var last *agentv1.Progress
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct {
			Progress *agentv1.Progress `json:"progress"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Progress != nil {
			last = line.Progress
		}
	}
	if last != nil {
		report(*last)
	}
}
