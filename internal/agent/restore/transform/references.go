package transform

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

const nameLabel = "kubernetes.io/metadata.name"

// references rewrites namespace names wherever an object may hold one in a
// recognizable shape: a map with a name and a namespace is a reference to an
// object (subjects, webhook services, claimRef, parentRefs ...), a
// namespaceSelector picks namespaces by the label that holds their name or by
// matchNames, and the terms of a pod (anti-)affinity list namespaces.
func (o *object) references(node any) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			o.references(item)
		}
	case map[string]any:
		o.reference(node)
		for key, value := range node {
			if !freeKeys[key] {
				o.references(value)
			}
		}
	}
}

// freeKeys hold maps whose keys are the user's own words: "name" and
// "namespace" side by side mean nothing there.
var freeKeys = map[string]bool{
	"labels": true, "annotations": true, "matchLabels": true, "selector": true, "nodeSelector": true,
	"data": true, "stringData": true, "binaryData": true, "metadata": true,
}

func (o *object) reference(node map[string]any) {
	namespace, isText := node["namespace"].(string)
	if _, named := node["name"].(string); named && isText {
		node["namespace"] = o.rules.Namespace(namespace)
	}
	if selector := child(node, "namespaceSelector"); selector != nil {
		o.selector(selector)
	}
	if _, term := node["topologyKey"]; term {
		o.names(node, "namespaces")
	}
}

func (o *object) selector(selector map[string]any) {
	o.names(selector, "matchNames")
	if labels := child(selector, "matchLabels"); labels != nil {
		if name, ok := labels[nameLabel].(string); ok {
			labels[nameLabel] = o.rules.Namespace(name)
		}
	}
	for _, item := range list(selector, "matchExpressions") {
		if expression, ok := item.(map[string]any); ok && expression["key"] == nameLabel {
			o.names(expression, "values")
		}
	}
}

func (o *object) names(m map[string]any, field string) {
	names, _ := m[field].([]any)
	for i, item := range names {
		if name, ok := item.(string); ok {
			names[i] = o.rules.Namespace(name)
		}
	}
}

// annotationReferences are annotations whose value is "namespace/name".
func (o *object) annotationReferences() {
	annotations := child(o.body, "metadata", "annotations")
	for _, key := range []string{
		"cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret",
		"nginx.ingress.kubernetes.io/auth-secret", "nginx.ingress.kubernetes.io/auth-tls-secret",
	} {
		value, _ := annotations[key].(string)
		if namespace, name, ok := strings.Cut(value, "/"); ok {
			annotations[key] = o.rules.Namespace(namespace) + "/" + name
		}
	}
}

// application rewrites where Argo CD sends an application when the destination
// has no name (which would be a cluster's) to make it look like a reference.
func application(o *object) {
	destination := child(o.body, "spec", "destination")
	if namespace, ok := destination["namespace"].(string); ok && destination["name"] == nil {
		destination["namespace"] = o.rules.Namespace(namespace)
	}
}

// leftovers reports addresses of the old namespace in plain text, which only a
// person can judge.
func (o *object) leftovers() {
	encoded, err := json.Marshal(o.body)
	if err != nil {
		return
	}
	var left []string
	for from, to := range o.rules.Namespaces {
		if from != to && strings.Contains(string(encoded), "."+from+".svc") {
			left = append(left, from)
		}
	}
	sort.Strings(left)
	for _, from := range slices.Compact(left) {
		o.note(CodeNamespaceLeft, fmt.Sprintf("it still names addresses in namespace %q, such as \"….%s.svc\"", from, from))
	}
}
