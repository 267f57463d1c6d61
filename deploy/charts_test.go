package deploy_test

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"holdfast.dev/holdfast/deploy"
	"holdfast.dev/holdfast/internal/chart"
)

var service = map[string]any{"address": "https://10.0.0.1:8443", "ca": "-----BEGIN CERTIFICATE-----\nx\n", "token": "t"}

// settings are the values charts are rendered with here.
var settings = map[string]struct {
	chart  string
	values map[string]any
}{
	"extension": {deploy.Extension, map[string]any{
		"service":  service,
		"location": map[string]any{"url": "https://account.blob.example/container", "account": "account", "key": "a2V5"},
	}},
	"extension on a directory": {deploy.Extension, map[string]any{
		"service":          service,
		"location":         map[string]any{"url": "file:///var/backups/app"},
		"imagePullSecrets": []any{map[string]any{"name": "pull"}},
	}},
	"connector": {deploy.Connector, map[string]any{"service": service}},
}

// render returns the objects of a chart, decoded strictly: an unknown or
// misspelt field fails the test.
func render(t *testing.T, setting string) []client.Object {
	t.Helper()
	s := settings[setting]
	files, err := deploy.Chart(s.chart)
	if err != nil {
		t.Fatal(err)
	}
	release := chart.Release{Name: s.chart, Namespace: "holdfast", Files: files, Log: slog.New(slog.DiscardHandler)}
	stream, err := release.Render(t.Context(), s.values)
	if err != nil {
		t.Fatal(err)
	}
	known := runtime.NewScheme()
	if err := scheme.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	if err := apiextensionsv1.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	var objects []client.Object
	for _, document := range regexp.MustCompile(`(?m)^---.*$`).Split(stream, -1) {
		if regexp.MustCompile(`(?m)^[^#\s]`).FindString(document) == "" {
			continue
		}
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		objects = append(objects, object.(client.Object))
	}
	return objects
}

func kindOf(object client.Object) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", object), "*v1.")
}

func TestChartsHoldExactlyThis(t *testing.T) {
	want := map[string][]string{
		"extension": {
			"ClusterRole holdfast-agent", "ClusterRole holdfast-controller",
			"ClusterRoleBinding holdfast-agent", "ClusterRoleBinding holdfast-controller",
			"CustomResourceDefinition backupruns.holdfast.dev", "CustomResourceDefinition recoverypointdeletions.holdfast.dev",
			"CustomResourceDefinition restoreruns.holdfast.dev", "CustomResourceDefinition vaultruns.holdfast.dev",
			"Deployment holdfast-agent", "Deployment holdfast-controller", "Deployment holdfast-telemetry",
			"Role holdfast-agent", "Role holdfast-controller", "Role holdfast-mover",
			"RoleBinding holdfast-agent", "RoleBinding holdfast-controller", "RoleBinding holdfast-mover",
			"Secret holdfast-agent-identity", "Secret holdfast-location", "Secret holdfast-service",
			"Service holdfast-telemetry",
			"ServiceAccount holdfast-agent", "ServiceAccount holdfast-controller", "ServiceAccount holdfast-mover", "ServiceAccount holdfast-telemetry",
		},
		"connector": {
			"ClusterRole extension-agent", "ClusterRole extension-operator",
			"ClusterRoleBinding extension-agent", "ClusterRoleBinding extension-operator",
			"CustomResourceDefinition extensions.holdfast.dev",
			"Deployment extension-agent", "Deployment extension-operator", "Namespace holdfast",
			"Role extension-agent", "Role extension-operator", "Role extension-operator",
			"RoleBinding extension-agent", "RoleBinding extension-operator", "RoleBinding extension-operator",
			"Secret extension-agent-identity", "Secret extension-agent-service", "Secret extension-values",
			"ServiceAccount extension-agent", "ServiceAccount extension-operator",
		},
	}
	for setting, names := range want {
		var got []string
		for _, object := range render(t, setting) {
			got = append(got, kindOf(object)+" "+object.GetName())
		}
		slices.Sort(got)
		if !slices.Equal(got, names) {
			t.Errorf("%s holds\n%s\nwant\n%s", setting, strings.Join(got, "\n"), strings.Join(names, "\n"))
		}
	}
}

func TestPods(t *testing.T) {
	for setting := range settings {
		for _, object := range render(t, setting) {
			if deployment, ok := object.(*appsv1.Deployment); ok {
				t.Run(setting+"/"+deployment.Name, func(t *testing.T) {
					directory := setting == "extension on a directory" && deployment.Name == "holdfast-controller"
					pod := deployment.Spec.Template.Spec
					checkPlacement(t, pod)
					checkSecurity(t, pod, directory)
					checkResources(t, pod.Containers[0].Resources)
				})
			}
		}
	}
}

func checkPlacement(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	if pod.NodeSelector["kubernetes.io/os"] != "linux" {
		t.Error("runs on other nodes than Linux")
	}
	if len(pod.Tolerations) != 1 || pod.Tolerations[0].Key != "CriticalAddonsOnly" {
		t.Errorf("tolerations %v", pod.Tolerations)
	}
	terms := pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	if !slices.Equal(terms[0].MatchExpressions[0].Values, []string{"amd64", "arm64"}) {
		t.Errorf("architectures %v", terms)
	}
}

// checkSecurity checks what the restricted pod security standard asks for.
func checkSecurity(t *testing.T, pod corev1.PodSpec, directory bool) {
	t.Helper()
	container := pod.Containers[0].SecurityContext
	if *container.AllowPrivilegeEscalation || !*container.ReadOnlyRootFilesystem || container.Capabilities.Drop[0] != "ALL" || container.Capabilities.Add != nil {
		t.Errorf("container security %+v", container)
	}
	if pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("no seccomp profile")
	}
	nonRoot := pod.SecurityContext.RunAsNonRoot != nil && *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser != 0
	if nonRoot == directory {
		t.Errorf("runs as non-root: %v, mounts a directory: %v", nonRoot, directory)
	}
	hostPath := slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil })
	if hostPath != directory {
		t.Errorf("mounts a directory of the node: %v, want %v", hostPath, directory)
	}
}

func checkResources(t *testing.T, got corev1.ResourceRequirements) {
	t.Helper()
	want := map[string]resource.Quantity{
		"500m": got.Requests[corev1.ResourceCPU], "256Mi": got.Requests[corev1.ResourceMemory],
		"1000m": got.Limits[corev1.ResourceCPU], "1280Mi": got.Limits[corev1.ResourceMemory],
	}
	for value, quantity := range want {
		if quantity.Cmp(resource.MustParse(value)) != 0 {
			t.Errorf("default %s is %s", value, quantity.String())
		}
	}
}

// TestRights holds every rule against what its holder may at most have.
func TestRights(t *testing.T) {
	everything := []string{"get list watch", "create patch update"} // the controller's two wide rules
	for setting := range settings {
		for _, object := range render(t, setting) {
			switch role := object.(type) {
			case *rbacv1.Role:
				checkRules(t, role.Name, role.Rules, nil)
			case *rbacv1.ClusterRole:
				if role.Name == "holdfast-controller" {
					checkRules(t, role.Name, role.Rules, everything)
					continue
				}
				checkRules(t, role.Name, role.Rules, nil)
				checkNoClusterSecrets(t, role)
			}
		}
	}
}

func checkRules(t *testing.T, name string, rules []rbacv1.PolicyRule, wide []string) {
	t.Helper()
	for _, rule := range rules {
		if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.Verbs, "impersonate") {
			t.Errorf("%s: verbs %v", name, rule.Verbs)
		}
		anything := slices.Contains(rule.Resources, "*") || slices.Contains(rule.APIGroups, "*")
		if anything && !slices.Contains(wide, strings.Join(rule.Verbs, " ")) {
			t.Errorf("%s: %v on everything", name, rule.Verbs)
		}
		escalates := slices.Contains(rule.Verbs, "escalate") || slices.Contains(rule.Verbs, "bind")
		if escalates && len(rule.ResourceNames) == 0 && wide == nil {
			t.Errorf("%s: escalates without a name", name)
		}
	}
}

func checkNoClusterSecrets(t *testing.T, role *rbacv1.ClusterRole) {
	t.Helper()
	for _, rule := range role.Rules {
		if slices.Contains(rule.Resources, "secrets") {
			t.Errorf("%s reaches the Secrets of the whole cluster", role.Name)
		}
	}
}

// TestOperatorMayInstall checks that the operator may make every object of the
// extension's chart, and nothing is missing when a kind is added to it.
func TestOperatorMayInstall(t *testing.T) {
	var rules []rbacv1.PolicyRule
	for _, object := range render(t, "connector") {
		switch role := object.(type) {
		case *rbacv1.Role:
			if role.Name == "extension-operator" && role.Namespace == "holdfast" {
				rules = append(rules, role.Rules...)
			}
		case *rbacv1.ClusterRole:
			if role.Name == "extension-operator" {
				rules = append(rules, role.Rules...)
			}
		}
	}
	for _, object := range render(t, "extension") {
		plural := strings.ToLower(kindOf(object)) + "s"
		for _, verb := range []string{"get", "create", "patch", "delete"} {
			if !slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
				named := len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, object.GetName())
				return named && slices.Contains(r.Resources, plural) && slices.Contains(r.Verbs, verb)
			}) {
				t.Errorf("the operator may not %s %s %s", verb, plural, object.GetName())
			}
		}
	}
}

func TestSecretsArePassedWhole(t *testing.T) {
	for _, object := range render(t, "extension") {
		secret, ok := object.(*corev1.Secret)
		if !ok {
			continue
		}
		switch secret.Name {
		case "holdfast-service":
			if string(secret.Data["ca.crt"]) != service["ca"] || string(secret.Data["token"]) != "t" {
				t.Errorf("service Secret %q", secret.Data)
			}
		case "holdfast-location":
			want := `{"account":"account","key":"a2V5","url":"https://account.blob.example/container"}`
			if string(secret.Data["location.json"]) != want {
				t.Errorf("location %s", secret.Data["location.json"])
			}
		default:
			if secret.Data != nil {
				t.Errorf("%s is not empty", secret.Name)
			}
		}
	}
}
