package restore

import "testing"

func TestWhatEveryClusterMakesItself(t *testing.T) {
	bundle := func(signer string) map[string]any {
		return map[string]any{"spec": map[string]any{"signerName": signer}}
	}
	cases := []struct {
		ref  Ref
		body map[string]any
		left bool
	}{
		{Ref{Group: "certificates.k8s.io", Kind: "ClusterTrustBundle", Name: "kubernetes.io:kube-apiserver-serving:1"}, bundle("kubernetes.io/kube-apiserver-serving"), true},
		{Ref{Group: "certificates.k8s.io", Kind: "ClusterTrustBundle", Name: "example.org:ca:1"}, bundle("example.org/ca"), false},
		{Ref{Group: "certificates.k8s.io", Kind: "ClusterTrustBundle", Name: "plain"}, bundle(""), false},
		{Ref{Kind: "ConfigMap", Namespace: "shop", Name: "kube-root-ca.crt"}, nil, true},
		{Ref{Kind: "ConfigMap", Namespace: "shop", Name: "settings"}, nil, false},
		{Ref{Group: "scheduling.k8s.io", Kind: "PriorityClass", Name: "system-node-critical"}, nil, true},
		{Ref{Group: "scheduling.k8s.io", Kind: "PriorityClass", Name: "mine"}, nil, false},
	}
	for _, c := range cases {
		if reason := leave(&Entry{Ref: c.ref}, c.body); (reason != nil) != c.left {
			t.Errorf("%v: left %+v, want %v", c.ref, reason, c.left)
		}
	}
}
