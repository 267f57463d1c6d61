package transform

import (
	"fmt"
	"strings"
)

// serverFields are written by the server alone. A create that carries a
// resourceVersion is answered with 500, which looks like something to retry.
var serverFields = []string{
	"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
	"deletionGracePeriodSeconds", "selfLink", "managedFields", "generateName", "ownerReferences",
}

func (o *object) metadata() {
	meta := child(o.body, "metadata")
	if meta == nil {
		return
	}
	for _, field := range serverFields {
		delete(meta, field)
	}
	if from, ok := meta["namespace"].(string); ok {
		meta["namespace"] = o.rules.Namespace(from)
	}
	o.finalizers(meta)
}

// finalizers keeps those that somebody in the target cluster will remove
// again; any other would make the object undeletable. The platform's own are
// put back by the server and its controllers, so they go without a note.
func (o *object) finalizers(meta map[string]any) {
	keepItems(meta, "finalizers", func(item any) bool {
		name, _ := item.(string)
		if o.rules.KeepFinalizer != nil && o.rules.KeepFinalizer(name) {
			return true
		}
		if !platformFinalizer(name) {
			o.note(CodeFinalizerDropped, fmt.Sprintf("finalizer %q was dropped: nothing in this cluster would remove it", name))
		}
		return false
	})
}

func platformFinalizer(name string) bool {
	if name == "foregroundDeletion" || name == "orphan" {
		return true
	}
	domain, _, _ := strings.Cut(name, "/")
	return domain == "kubernetes.io" || domain == "kubernetes" || strings.HasSuffix(domain, ".kubernetes.io") ||
		strings.HasSuffix(domain, ".k8s.io")
}

// namespace keeps labels and annotations only: the name label and the spec's
// finalizer are the server's.
func namespace(o *object) {
	delete(o.body, "spec")
	meta := child(o.body, "metadata")
	drop(meta, "labels", "kubernetes.io/metadata.name")
	if name, ok := meta["name"].(string); ok {
		meta["name"] = o.rules.Namespace(name)
	}
}

// deployment drops the revision, which counts ReplicaSets that do not exist.
func deployment(o *object) {
	drop(child(o.body, "metadata"), "annotations", "deployment.kubernetes.io/revision")
}

// definition drops what the server writes into a CRD's spec beside the status.
func definition(o *object) {
	if conversion := child(o.body, "spec", "conversion"); conversion["strategy"] == "None" {
		delete(conversion, "webhook")
	}
}
