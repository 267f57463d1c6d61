package transform

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/json"
)

// service drops what the cluster handed out: addresses, node ports that nobody
// asked for, address families. Headless stays headless.
func service(o *object) {
	spec := child(o.body, "spec")
	if spec == nil {
		return
	}
	if spec["clusterIP"] != "None" {
		delete(spec, "clusterIP")
	}
	delete(spec, "clusterIPs")
	delete(spec, "ipFamilies")
	if spec["ipFamilyPolicy"] == "SingleStack" {
		delete(spec, "ipFamilyPolicy")
	}
	if !asked(o.body, "healthCheckNodePort") {
		delete(spec, "healthCheckNodePort")
	}
	o.nodePorts(spec)
	if address, ok := spec["loadBalancerIP"].(string); ok && o.mapped() {
		delete(spec, "loadBalancerIP")
		o.note(CodeAddressDropped, fmt.Sprintf("load balancer address %s stays with the original", address))
	}
}

// nodePorts keeps the ports that were given by a person: those kubectl
// remembers, or those some manager owns in managedFields (allocated ones are
// owned by nobody). Beside the original none can be kept.
func (o *object) nodePorts(spec map[string]any) {
	remembered := rememberedNodePorts(o.body)
	managed := managedNodePorts(o.body)
	for _, item := range list(spec, "ports") {
		port, ok := item.(map[string]any)
		if ok && (o.mapped() || !remembered[portKey(port)] && !managed[portKey(port)]) {
			delete(port, "nodePort")
		}
	}
}

// DropNodePorts removes every node port of a Service and says whether there
// was one: the way out when a port that was asked for is taken.
func DropNodePorts(body map[string]any) bool {
	dropped := false
	for _, item := range list(body, "spec", "ports") {
		if port, ok := item.(map[string]any); ok && port["nodePort"] != nil {
			delete(port, "nodePort")
			dropped = true
		}
	}
	if spec := child(body, "spec"); spec["healthCheckNodePort"] != nil {
		delete(spec, "healthCheckNodePort")
		dropped = true
	}
	return dropped
}

func portKey(port map[string]any) string {
	protocol, _ := port["protocol"].(string)
	if protocol == "" {
		protocol = "TCP"
	}
	return fmt.Sprintf("%d/%s", number(port["port"]), protocol)
}

// managedNodePorts reads managedFields: f:spec, f:ports, k:{"port":80,"protocol":"TCP"}, f:nodePort.
func managedNodePorts(body map[string]any) map[string]bool {
	ports := map[string]bool{}
	for _, fields := range managedSpecs(body) {
		for key, value := range child(fields, "f:ports") {
			entry, _ := value.(map[string]any)
			if _, owned := entry["f:nodePort"]; !owned {
				continue
			}
			var port map[string]any
			if json.Unmarshal([]byte(strings.TrimPrefix(key, "k:")), &port) == nil {
				ports[portKey(port)] = true
			}
		}
	}
	return ports
}

// asked says whether some manager, or kubectl's memory, set a field of the spec.
func asked(body map[string]any, field string) bool {
	for _, fields := range managedSpecs(body) {
		if _, owned := fields["f:"+field]; owned {
			return true
		}
	}
	return false
}

// managedSpecs returns the fields of spec that each manager owns through the
// main resource. A sub-resource's writers are controllers.
func managedSpecs(body map[string]any) []map[string]any {
	var specs []map[string]any
	for _, item := range list(body, "metadata", "managedFields") {
		entry, _ := item.(map[string]any)
		if entry["subresource"] != nil && entry["subresource"] != "" {
			continue
		}
		if spec := child(entry, "fieldsV1", "f:spec"); spec != nil {
			specs = append(specs, spec)
		}
	}
	return specs
}

func number(value any) int64 {
	switch n := value.(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}

// endpoints drops the time stamp of the controller that once filled it.
func endpoints(o *object) {
	drop(child(o.body, "metadata"), "annotations", "endpoints.kubernetes.io/last-change-trigger-time")
	for _, item := range list(o.body, "subsets") {
		subset, _ := item.(map[string]any)
		for _, field := range []string{"addresses", "notReadyAddresses"} {
			dropTargetUIDs(list(subset, field))
		}
	}
}

func endpointSlice(o *object) {
	drop(child(o.body, "metadata"), "annotations", "endpoints.kubernetes.io/last-change-trigger-time")
	dropTargetUIDs(list(o.body, "endpoints"))
}

// dropTargetUIDs forgets the identity of pods that are gone.
func dropTargetUIDs(items []any) {
	for _, item := range items {
		target, _ := item.(map[string]any)
		drop(target, "targetRef", "uid", "resourceVersion")
	}
}
