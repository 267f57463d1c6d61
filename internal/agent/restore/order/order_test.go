package order

import "testing"

func TestWhatMustComeBefore(t *testing.T) {
	for _, pair := range [][2][2]string{
		{{"", "Namespace"}, {"apiextensions.k8s.io", "CustomResourceDefinition"}},
		{{"apiextensions.k8s.io", "CustomResourceDefinition"}, {"db.example.org", "Cluster"}},
		{{"storage.k8s.io", "StorageClass"}, {"", "PersistentVolumeClaim"}},
		{{"scheduling.k8s.io", "PriorityClass"}, {"", "Pod"}},
		{{"rbac.authorization.k8s.io", "ClusterRole"}, {"rbac.authorization.k8s.io", "RoleBinding"}},
		{{"rbac.authorization.k8s.io", "RoleBinding"}, {"apps", "Deployment"}},
		{{"", "ServiceAccount"}, {"", "Secret"}},
		{{"", "LimitRange"}, {"", "Pod"}},
		{{"", "Secret"}, {"apps", "StatefulSet"}},
		{{"", "PersistentVolumeClaim"}, {"apps", "StatefulSet"}},
		{{"", "PersistentVolumeClaim"}, {"db.example.org", "Cluster"}},
		{{"networking.k8s.io", "NetworkPolicy"}, {"", "Pod"}},
		{{"", "Service"}, {"apps", "Deployment"}},
		{{"db.example.org", "Cluster"}, {"apps", "Deployment"}},
		{{"apps", "Deployment"}, {"", "ResourceQuota"}},
		{{"apps", "Deployment"}, {"policy", "PodDisruptionBudget"}},
		{{"apps", "Deployment"}, {"networking.k8s.io", "Ingress"}},
		{{"apps", "Deployment"}, {"gateway.networking.k8s.io", "HTTPRoute"}},
		{{"networking.k8s.io", "Ingress"}, {"admissionregistration.k8s.io", "MutatingWebhookConfiguration"}},
		{{"networking.k8s.io", "Ingress"}, {"admissionregistration.k8s.io", "ValidatingAdmissionPolicy"}},
		{{"networking.k8s.io", "Ingress"}, {"apiregistration.k8s.io", "APIService"}},
	} {
		before, after := Of(pair[0][0], pair[0][1]), Of(pair[1][0], pair[1][1])
		if before >= after {
			t.Errorf("%v (%s) is not before %v (%s)", pair[0], before, pair[1], after)
		}
	}
}

func TestUnknownKinds(t *testing.T) {
	for group, want := range map[string]Stage{
		"": Rest, "apps": Rest, "networking.k8s.io": Rest, "monitoring.coreos.com": Custom, "snapshot.storage.k8s.io": Custom,
	} {
		if got := Of(group, "Whatever"); got != want {
			t.Errorf("%q: %s, want %s", group, got, want)
		}
	}
	if name := Stage(-1).String(); name != "unknown" {
		t.Errorf("stage -1 is called %q", name)
	}
}

func TestStagesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, stage := range All() {
		name := stage.String()
		if name == "" || name == "unknown" || seen[name] {
			t.Errorf("stage %d is called %q", stage, name)
		}
		seen[name] = true
	}
}
