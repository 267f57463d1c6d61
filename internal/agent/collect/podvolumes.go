package collect

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// carried are volumes of pods that need no protection of their own: they are
// made from other objects, they are claims, which are looked at as such, or
// they are scratch space that Kubernetes itself throws away with every pod.
// Warning of the last would end nearly every backup with warnings, and hide
// the ones that matter.
var carried = []string{
	"persistentVolumeClaim", "configMap", "secret", "projected", "downwardAPI", "image",
	"emptyDir", "ephemeral", "csi"}

// podVolumes gathers the volumes of pods that are no claims, once for each
// workload, however many pods it has.
type podVolumes struct {
	found map[string]agentv1.Warning // by workload and volume
}

func newPodVolumes() *podVolumes { return &podVolumes{found: map[string]agentv1.Warning{}} }

// see looks at the volumes of one pod.
func (p *podVolumes) see(o object) error {
	var pod struct {
		Spec struct {
			Volumes []map[string]any `json:"volumes"`
		} `json:"spec"`
	}
	if err := o.decode(&pod); err != nil {
		return err
	}
	kind, workload := workloadOf(o.meta.Metadata)
	for _, volume := range pod.Spec.Volumes {
		name, _ := volume["name"].(string)
		source := sourceOf(volume)
		if source == "" {
			continue
		}
		resource := kind + " " + o.meta.Metadata.Namespace + "/" + workload
		p.found[resource+"/"+name] = warning(resource, CodePodVolume,
			"The volume %s of %s is of type %s, which is no persistent volume claim, and was not backed up.", name, resource, source)
	}
	return nil
}

// warnings are what was found, in a stable order.
func (p *podVolumes) warnings() []agentv1.Warning {
	list := make([]agentv1.Warning, 0, len(p.found))
	for _, key := range slices.Sorted(maps.Keys(p.found)) {
		list = append(list, p.found[key])
	}
	return list
}

// sourceOf is the type of a volume that is not protected, or "".
func sourceOf(volume map[string]any) string {
	for _, field := range slices.Sorted(maps.Keys(volume)) {
		if field != "name" && !slices.Contains(carried, field) {
			return field
		}
	}
	return ""
}

// workloadOf names what a pod belongs to: its controller, where a ReplicaSet of
// a Deployment stands for the Deployment, or the pod itself.
func workloadOf(m objectMeta) (kind, name string) {
	manager, managed := m.controller()
	if !managed {
		return "Pod", m.Name
	}
	hash := m.Labels["pod-template-hash"]
	if base, cut := strings.CutSuffix(manager.Name, "-"+hash); manager.Kind == "ReplicaSet" && hash != "" && cut {
		return "apps/Deployment", base
	}
	group, _, found := strings.Cut(manager.APIVersion, "/")
	if !found {
		return manager.Kind, manager.Name
	}
	return cmp.Or(group, "core") + "/" + manager.Kind, manager.Name
}
