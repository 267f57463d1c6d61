package transform

import "reflect"

// rule says what of an object may be changed after it was created. Paths are
// written as lists of field names.
type rule struct {
	frozen [][]string // these stay as they are in the cluster
	spec   []string   // when not nil: of spec only these fields may change
}

func frozen(paths ...[]string) rule { return rule{frozen: paths} }
func path(names ...string) []string { return names }
func onlySpec(names ...string) rule { return rule{spec: names} }

// mutability is the table of kinds that the server lets change only in part.
// A kind that is not in it may change wholly.
var mutability = map[string]rule{
	"/Namespace":             {spec: []string{}},
	"/Pod":                   {spec: []string{}},
	"/Service":               frozen(path("spec", "clusterIP")),
	"/PersistentVolume":      {spec: []string{"persistentVolumeReclaimPolicy"}},
	"/PersistentVolumeClaim": {spec: []string{"resources"}},
	"/Secret":                frozen(path("type")),
	"apps/Deployment":        frozen(path("spec", "selector")),
	"apps/ReplicaSet":        frozen(path("spec", "selector")),
	"apps/DaemonSet":         frozen(path("spec", "selector")),
	"apps/StatefulSet": onlySpec("replicas", "template", "updateStrategy",
		"persistentVolumeClaimRetentionPolicy", "minReadySeconds", "ordinals"),
	"apps/ControllerRevision":                      frozen(path("data"), path("revision")),
	"batch/Job":                                    onlySpec("parallelism", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"),
	"rbac.authorization.k8s.io/RoleBinding":        frozen(path("roleRef")),
	"rbac.authorization.k8s.io/ClusterRoleBinding": frozen(path("roleRef")),
	"storage.k8s.io/StorageClass": frozen(path("provisioner"), path("parameters"), path("reclaimPolicy"),
		path("volumeBindingMode")),
	"storage.k8s.io/CSIDriver":                    {spec: []string{}},
	"networking.k8s.io/IngressClass":              frozen(path("spec", "controller")),
	"scheduling.k8s.io/PriorityClass":             frozen(path("value"), path("preemptionPolicy")),
	"node.k8s.io/RuntimeClass":                    frozen(path("handler")),
	"discovery.k8s.io/EndpointSlice":              frozen(path("addressType")),
	"snapshot.storage.k8s.io/VolumeSnapshotClass": frozen(path("driver"), path("parameters"), path("deletionPolicy")),
}

// PatchTo returns the JSON merge patch that gives a live object the mutable
// fields of the wanted one; nil when they are equal already. Both must have
// been through Apply, so that what the server owns is in neither. Labels and
// annotations are set, never removed: others may have added theirs.
//
// A merge patch replaces lists as a whole. A strategic merge or server-side
// apply would leave behind items that were added since the backup.
func PatchTo(live, wanted map[string]any) map[string]any {
	group, kind := GroupKind(wanted)
	wanted = shallow(wanted)
	freeze(mutability[group+"/"+kind], live, wanted)
	if live["immutable"] == true {
		for _, field := range []string{"data", "binaryData", "stringData", "immutable"} {
			copyField(live, wanted, field)
		}
	}
	if group == "" && kind == "PersistentVolumeClaim" {
		keepLargerRequest(live, wanted)
	}
	patch := difference(live, wanted)
	delete(patch, "apiVersion")
	delete(patch, "kind")
	delete(patch, "metadata")
	if meta := metadataPatch(child(live, "metadata"), child(wanted, "metadata")); len(meta) > 0 {
		patch["metadata"] = meta
	}
	if len(patch) == 0 {
		return nil
	}
	return patch
}

func metadataPatch(live, wanted map[string]any) map[string]any {
	patch := map[string]any{}
	for _, field := range []string{"labels", "annotations"} {
		changed := map[string]any{}
		for key, value := range child(wanted, field) {
			if current, ok := child(live, field)[key]; !ok || !reflect.DeepEqual(current, value) {
				changed[key] = value
			}
		}
		if len(changed) > 0 {
			patch[field] = changed
		}
	}
	return patch
}

func freeze(r rule, live, wanted map[string]any) {
	if r.spec != nil {
		spec := shallow(child(live, "spec"))
		from := child(wanted, "spec")
		for _, field := range r.spec {
			copyField(from, spec, field)
		}
		if live["spec"] != nil {
			wanted["spec"] = spec
		} else {
			delete(wanted, "spec")
		}
	}
	for _, names := range r.frozen {
		last := len(names) - 1
		from, to := child(live, names[:last]...), wanted
		if last == 1 {
			to = shallow(child(wanted, names[0]))
			wanted[names[0]] = to
		}
		copyField(from, to, names[last])
	}
}

func copyField(from, to map[string]any, field string) {
	if value, ok := from[field]; ok {
		to[field] = value
	} else {
		delete(to, field)
	}
}

// keepLargerRequest: a claim can grow, never shrink.
func keepLargerRequest(live, wanted map[string]any) {
	spec := shallow(child(wanted, "spec"))
	wanted["spec"] = spec
	if !smaller(requestedStorage(child(live, "spec")), requestedStorage(spec)) {
		copyField(child(live, "spec"), spec, "resources")
	}
}

func shallow(m map[string]any) map[string]any {
	copied := make(map[string]any, len(m))
	for key, value := range m {
		copied[key] = value
	}
	return copied
}

// difference is the JSON merge patch (RFC 7386) from one map to another.
func difference(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for key, value := range to {
		old, ok := from[key]
		if !ok {
			patch[key] = value
			continue
		}
		oldMap, isMap := old.(map[string]any)
		newMap, bothMaps := value.(map[string]any)
		if isMap && bothMaps {
			if inner := difference(oldMap, newMap); len(inner) > 0 {
				patch[key] = inner
			}
		} else if !reflect.DeepEqual(old, value) {
			patch[key] = value
		}
	}
	for key := range from {
		if _, ok := to[key]; !ok {
			patch[key] = nil
		}
	}
	return patch
}
