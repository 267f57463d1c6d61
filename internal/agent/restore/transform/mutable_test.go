package transform

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	encoded, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var body map[string]any
	if err := json.Unmarshal(encoded, &body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestPatchTo(t *testing.T) {
	for _, test := range []struct{ name, live, wanted, patch string }{
		{"equal",
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: y, added: later}}, data: {k: v}}`,
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: y}}, data: {k: v}}`,
			``},
		{"changed, added and removed keys",
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: new, extra: "1"}}`,
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {n: m}}, data: {k: old, back: "2"}}`,
			`{metadata: {annotations: {n: m}}, data: {k: old, back: "2", extra: null}}`},
		{"lists are replaced as a whole",
			`{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{name: a, env: [{name: E}]}, {name: b}]}}}}`,
			`{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{name: a}]}}}}`,
			`{spec: {template: {spec: {containers: [{name: a}]}}}}`},
		{"deployment keeps its selector",
			`{apiVersion: apps/v1, kind: Deployment, spec: {selector: {matchLabels: {a: new}}, replicas: 1}}`,
			`{apiVersion: apps/v1, kind: Deployment, spec: {selector: {matchLabels: {a: old}}, replicas: 3}}`,
			`{spec: {replicas: 3}}`},
		{"stateful set keeps templates and service name",
			`{apiVersion: apps/v1, kind: StatefulSet, spec: {serviceName: new, replicas: 1, volumeClaimTemplates: [{metadata: {name: n}}]}}`,
			`{apiVersion: apps/v1, kind: StatefulSet, spec: {serviceName: old, replicas: 2, podManagementPolicy: Parallel}}`,
			`{spec: {replicas: 2}}`},
		{"service keeps its address",
			`{apiVersion: v1, kind: Service, spec: {clusterIP: None, ports: [{port: 1}]}}`,
			`{apiVersion: v1, kind: Service, spec: {ports: [{port: 2}]}}`,
			`{spec: {ports: [{port: 2}]}}`},
		{"claim grows",
			`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {storageClassName: a, resources: {requests: {storage: 1Gi}}}}`,
			`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {storageClassName: b, resources: {requests: {storage: 2Gi}}}}`,
			`{spec: {resources: {requests: {storage: 2Gi}}}}`},
		{"claim never shrinks",
			`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {resources: {requests: {storage: 2Gi}}}}`,
			`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {resources: {requests: {storage: 1024Mi}}}}`,
			``},
		{"binding keeps its role",
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, roleRef: {name: new}, subjects: [{name: a}]}`,
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, roleRef: {name: old}, subjects: [{name: b}]}`,
			`{subjects: [{name: b}]}`},
		{"immutable secret keeps its data",
			`{apiVersion: v1, kind: Secret, immutable: true, type: Opaque, data: {a: bmV3}}`,
			`{apiVersion: v1, kind: Secret, type: Opaque, data: {a: b2xk}, metadata: {labels: {l: m}}}`,
			`{metadata: {labels: {l: m}}}`},
		{"secret keeps its type",
			`{apiVersion: v1, kind: Secret, type: new, data: {a: bmV3}}`,
			`{apiVersion: v1, kind: Secret, type: old, data: {a: b2xk}}`,
			`{data: {a: b2xk}}`},
		{"job template stays",
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 1, template: {spec: {a: 1}}}}`,
			`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 2, template: {spec: {a: 2}}, completions: 4}}`,
			`{spec: {parallelism: 2}}`},
		{"pod spec stays",
			`{apiVersion: v1, kind: Pod, spec: {a: 1}}`,
			`{apiVersion: v1, kind: Pod, spec: {a: 2}, metadata: {labels: {x: y}}}`,
			`{metadata: {labels: {x: y}}}`},
		{"class parameters stay",
			`{apiVersion: storage.k8s.io/v1, kind: StorageClass, provisioner: a, parameters: {x: "1"}, allowVolumeExpansion: false}`,
			`{apiVersion: storage.k8s.io/v1, kind: StorageClass, provisioner: b, parameters: {x: "2"}, allowVolumeExpansion: true}`,
			`{allowVolumeExpansion: true}`},
		{"namespace: labels only",
			`{apiVersion: v1, kind: Namespace, metadata: {name: a}}`,
			`{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {x: y}}}`,
			`{metadata: {labels: {x: y}}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want map[string]any
			if test.patch != "" {
				want = decode(t, test.patch)
			}
			live, wanted := decode(t, test.live), decode(t, test.wanted)
			if diff := cmp.Diff(want, PatchTo(live, wanted)); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(decode(t, test.live), live); diff != "" {
				t.Errorf("the live object was changed:\n%s", diff)
			}
		})
	}
}

func TestFillClaim(t *testing.T) {
	for _, test := range []struct {
		name, request string
		least         int64
		want          string
	}{
		{"request is larger", "2Gi", 1 << 30, "2Gi"},
		{"snapshot is larger", "1G", 1 << 30, "1Gi"},
		{"odd size", "1Gi", 1<<30 + 1, "1073741825"},
		{"equal in other words", "1024Mi", 1 << 30, "1024Mi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := decode(t, `{kind: PersistentVolumeClaim, metadata: {name: a}, spec: {volumeMode: Block, resources: {requests: {storage: `+test.request+`}}}}`)
			if err := FillClaim(body, "snap", "node1", test.least); err != nil {
				t.Fatal(err)
			}
			want := decode(t, `{kind: PersistentVolumeClaim, metadata: {name: a, annotations: {volume.kubernetes.io/selected-node: node1}},
  spec: {volumeMode: Block, resources: {requests: {storage: "`+test.want+`"}}, dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: snap}}}`)
			if diff := cmp.Diff(want, body); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeAccount(t *testing.T) {
	live := decode(t, `{metadata: {labels: {a: live}}, secrets: [{name: own}]}`)
	wanted := decode(t, `{metadata: {labels: {a: backup, b: new}}, secrets: [{name: own}, {name: key}], imagePullSecrets: [{name: pull}]}`)
	want := decode(t, `{metadata: {labels: {b: new}}, secrets: [{name: own}, {name: key}], imagePullSecrets: [{name: pull}]}`)
	if diff := cmp.Diff(want, MergeAccount(live, wanted)); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
	if patch := MergeAccount(wanted, wanted); patch != nil {
		t.Errorf("patch %v for an account that has everything", patch)
	}
}

func TestSuspend(t *testing.T) {
	for kind, want := range map[string]bool{"CronJob": true, "Job": true, "Other": false} {
		body := map[string]any{"apiVersion": "batch/v1", "kind": kind, "spec": map[string]any{}}
		if got := Suspend(body); got != want {
			t.Errorf("Suspend(%s) = %v", kind, got)
		}
		if want && Suspend(body) {
			t.Errorf("%s was suspended twice", kind)
		}
	}
}
