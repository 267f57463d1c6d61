package restore

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func node(name string, change func(*corev1.Node)) corev1.Node {
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	if change != nil {
		change(&n)
	}
	return n
}

func TestPickNode(t *testing.T) {
	nodes := []corev1.Node{
		node("cordoned", func(n *corev1.Node) { n.Spec.Unschedulable = true }),
		node("dead", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }),
		node("plain", func(n *corev1.Node) { n.Labels["zone"] = "a" }),
		node("tainted", func(n *corev1.Node) {
			n.Labels["zone"] = "b"
			n.Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
		}),
	}
	zone := func(values ...string) *corev1.Affinity {
		return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: values}}}}}}}
	}
	tolerant := []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}
	for name, test := range map[string]struct {
		spec   corev1.PodSpec
		driver map[string]bool
		want   string
	}{
		"any":                 {want: "plain"},
		"node selector":       {spec: corev1.PodSpec{NodeSelector: map[string]string{"zone": "b"}, Tolerations: tolerant}, want: "tainted"},
		"taint not tolerated": {spec: corev1.PodSpec{NodeSelector: map[string]string{"zone": "b"}}, want: ""},
		"affinity":            {spec: corev1.PodSpec{Affinity: zone("b", "c"), Tolerations: tolerant}, want: "tainted"},
		"affinity elsewhere":  {spec: corev1.PodSpec{Affinity: zone("c"), Tolerations: tolerant}, want: ""},
		"driver elsewhere":    {driver: map[string]bool{"tainted": true}, want: ""},
		"driver here":         {driver: map[string]bool{"plain": true}, want: "plain"},
		"driver runs nowhere": {driver: map[string]bool{}, want: "plain"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pickNode(nodes, test.driver, &test.spec, "seed", 0); got != test.want {
				t.Errorf("node %q, want %q", got, test.want)
			}
		})
	}
}

func TestPickNodeSpreadsAndTriesAnother(t *testing.T) {
	nodes := []corev1.Node{node("a", nil), node("b", nil), node("c", nil)}
	seen := map[string]bool{}
	for i := range 50 {
		seed := fmt.Sprint("workload", i)
		first := pickNode(nodes, nil, &corev1.PodSpec{}, seed, 0)
		if again := pickNode(nodes, nil, &corev1.PodSpec{}, seed, 0); again != first {
			t.Fatalf("%s then %s for the same pod", first, again)
		}
		if next := pickNode(nodes, nil, &corev1.PodSpec{}, seed, 1); next == first {
			t.Fatalf("the second try is %s again", next)
		}
		seen[first] = true
	}
	if len(seen) != 3 {
		t.Errorf("only %v were used", seen)
	}
}

func TestClaimsOfOnePodShareANode(t *testing.T) {
	archive := archiveOf(t, documents(t, `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: a, uid: u1},
  spec: {template: {spec: {nodeSelector: {x: z}}}, volumeClaimTemplates: [{metadata: {name: data}}, {metadata: {name: log}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: once, namespace: a, uid: u2, ownerReferences: [{kind: Job, name: j, uid: u, controller: true}]},
  spec: {nodeName: old, volumes: [{name: v, persistentVolumeClaim: {claimName: loose}}]}}`), nil)
	w := &work{archive: archive}
	seedOf := func(claim string) (string, *corev1.PodSpec) {
		spec, seed, err := w.mounter(&Entry{Ref: Ref{Kind: "PersistentVolumeClaim", Namespace: "a", Name: claim}})
		if err != nil {
			t.Fatal(err)
		}
		return seed, spec
	}
	data, spec := seedOf("data-db-0")
	log, _ := seedOf("log-db-0")
	other, _ := seedOf("data-db-1")
	if data != log || data == other || spec.NodeSelector["x"] != "z" {
		t.Errorf("seeds %q, %q, %q, selector %v", data, log, other, spec.NodeSelector)
	}
	if _, spec := seedOf("loose"); spec.NodeName != "" {
		t.Errorf("bound to %q, where the pod once ran", spec.NodeName)
	}
	if _, spec := seedOf("nobody"); spec == nil {
		t.Error("a claim that nothing mounts has no node")
	}
}
