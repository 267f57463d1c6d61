package transform

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

// claim forgets the old binding: no volume name, no node, no source. Keeping
// any of them would bind the claim to the source's volume, clone it again, or
// hang on a node that is gone.
func claim(o *object) {
	drop(child(o.body, "metadata"), "annotations",
		"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/migrated-to",
		"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner",
		SelectedNode)
	if spec := child(o.body, "spec"); spec != nil {
		for _, field := range []string{"volumeName", "dataSource", "dataSourceRef", "selector"} {
			delete(spec, field)
		}
	}
}

// SelectedNode is the annotation by which a claim of a class that waits for
// its first consumer is told where to be made.
const SelectedNode = "volume.kubernetes.io/selected-node"

// FillClaim makes a claim be filled from a VolumeSnapshot in its own namespace
// and large enough for what the snapshot holds. Node is where a waiting class
// shall make the volume; empty leaves that to the first consumer. The claim's
// mode and class stay as they were.
func FillClaim(body map[string]any, snapshot, node string, leastBytes int64) error {
	spec, meta := child(body, "spec"), child(body, "metadata")
	if spec == nil || meta == nil {
		return fmt.Errorf("claim %q has no spec or no metadata", text(body, "metadata", "name"))
	}
	spec["dataSource"] = map[string]any{"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": snapshot}
	if err := growRequest(spec, leastBytes); err != nil {
		return fmt.Errorf("claim %s: %w", text(body, "metadata", "name"), err)
	}
	if node != "" {
		if child(meta, "annotations") == nil {
			meta["annotations"] = map[string]any{}
		}
		child(meta, "annotations")[SelectedNode] = node
	}
	return nil
}

// BindClaim makes a claim wait for the named volume, which is made for it, and
// large enough for it.
func BindClaim(body map[string]any, volume string, leastBytes int64) error {
	spec := child(body, "spec")
	if spec == nil {
		return fmt.Errorf("claim %q has no spec", text(body, "metadata", "name"))
	}
	spec["volumeName"] = volume
	if err := growRequest(spec, leastBytes); err != nil {
		return fmt.Errorf("claim %s: %w", text(body, "metadata", "name"), err)
	}
	return nil
}

// growRequest raises the requested size to at least leastBytes. Drivers round
// up, so the source may be larger than what was asked for.
func growRequest(spec map[string]any, leastBytes int64) error {
	requested, err := resource.ParseQuantity(requestedStorage(spec))
	if err != nil {
		return fmt.Errorf("requested size: %w", err)
	}
	if requested.CmpInt64(leastBytes) >= 0 {
		return nil
	}
	if child(spec, "resources", "requests") == nil {
		spec["resources"] = map[string]any{"requests": map[string]any{}}
	}
	child(spec, "resources", "requests")["storage"] = resource.NewQuantity(leastBytes, resource.BinarySI).String()
	return nil
}

func requestedStorage(spec map[string]any) string {
	switch size := child(spec, "resources", "requests")["storage"].(type) {
	case string:
		return size
	case int64:
		return fmt.Sprint(size)
	}
	return "0"
}

// smaller compares two sizes; one that cannot be read is not smaller.
func smaller(a, b string) bool {
	first, err := resource.ParseQuantity(a)
	if err != nil {
		return false
	}
	second, err := resource.ParseQuantity(b)
	return err == nil && first.Cmp(second) < 0
}
