package transform

import (
	"k8s.io/apimachinery/pkg/util/json"
)

const lastAppliedKey = "kubectl.kubernetes.io/last-applied-configuration"

// lastApplied rewrites namespaces in what kubectl remembers of its last apply;
// left as it was, the next apply would fight with the mapping. One that cannot
// be read is dropped: a three-way merge against it would fail.
func (o *object) lastApplied() {
	annotations := child(o.body, "metadata", "annotations")
	remembered, ok := annotations[lastAppliedKey].(string)
	if !ok {
		return
	}
	var applied map[string]any
	if err := json.Unmarshal([]byte(remembered), &applied); err != nil {
		delete(annotations, lastAppliedKey)
		o.note(CodeLastAppliedBroken, "what kubectl remembered of its last apply cannot be read and was dropped")
		return
	}
	old := &object{rules: o.rules, body: applied, group: o.group, kind: o.kind}
	old.references(applied)
	if o.group == "rbac.authorization.k8s.io" {
		binding(old)
	}
	if meta := child(applied, "metadata"); meta != nil {
		if namespace, ok := meta["namespace"].(string); ok {
			meta["namespace"] = o.rules.Namespace(namespace)
		}
		if name, ok := meta["name"].(string); ok && o.group == "" && o.kind == "Namespace" {
			meta["name"] = o.rules.Namespace(name)
		}
	}
	encoded, err := json.Marshal(applied)
	if err != nil {
		return
	}
	annotations[lastAppliedKey] = string(encoded) + "\n"
}

// remembered returns kubectl's memory of a Service's ports that name a node port.
func rememberedNodePorts(body map[string]any) map[string]bool {
	var applied map[string]any
	encoded := text(body, "metadata", "annotations", lastAppliedKey)
	if encoded == "" || json.Unmarshal([]byte(encoded), &applied) != nil {
		return nil
	}
	ports := map[string]bool{}
	for _, item := range list(applied, "spec", "ports") {
		if port, ok := item.(map[string]any); ok && number(port["nodePort"]) != 0 {
			ports[portKey(port)] = true
		}
	}
	return ports
}
