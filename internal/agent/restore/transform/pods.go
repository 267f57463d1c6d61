package transform

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/json"
)

var injectedTokenVolume = regexp.MustCompile(`^kube-api-access-[a-z0-9]{5}$`)

// pod removes what scheduling and admission put into a pod; they will do so
// again.
func pod(o *object) {
	spec := child(o.body, "spec")
	if spec == nil {
		return
	}
	for _, field := range []string{"nodeName", "priority", "preemptionPolicy", "ephemeralContainers", "schedulingGates"} {
		delete(spec, field)
	}
	if spec["hostname"] == text(o.body, "metadata", "name") {
		delete(spec, "hostname")
	}
	account := text(spec, "serviceAccountName")
	dropVolumes(spec, func(volume map[string]any) bool {
		name := text(volume, "name")
		return injectedTokenVolume.MatchString(name) ||
			account != "" && IsGeneratedToken(account, name) && text(volume, "secret", "secretName") == name
	})
	dropSidecars(o.body, spec)
}

// dropVolumes removes volumes and every mount of them.
func dropVolumes(spec map[string]any, unwanted func(volume map[string]any) bool) {
	names := map[string]bool{}
	keepItems(spec, "volumes", func(item any) bool {
		volume, _ := item.(map[string]any)
		gone := unwanted(volume)
		if gone {
			names[text(volume, "name")] = true
		}
		return !gone
	})
	for _, field := range []string{"containers", "initContainers"} {
		for _, item := range list(spec, field) {
			container, _ := item.(map[string]any)
			if container == nil {
				continue
			}
			keepItems(container, "volumeMounts", func(item any) bool {
				mount, _ := item.(map[string]any)
				return !names[text(mount, "name")]
			})
		}
	}
}

// dropSidecars removes what a service mesh injected, so that it is not
// injected twice. Istio lists its parts in an annotation; Linkerd's have fixed
// names.
func dropSidecars(body, spec map[string]any) {
	meta := child(body, "metadata")
	annotations := child(meta, "annotations")
	injected := map[string]bool{}
	if status, ok := annotations["sidecar.istio.io/status"].(string); ok {
		var parts map[string]any
		if json.Unmarshal([]byte(status), &parts) == nil {
			for _, field := range []string{"containers", "initContainers", "volumes"} {
				for _, name := range list(parts, field) {
					injected[asText(name)] = true
				}
			}
		}
		drop(meta, "annotations", "sidecar.istio.io/status")
	}
	if _, ok := annotations["linkerd.io/proxy-version"]; ok {
		injected["linkerd-proxy"], injected["linkerd-init"] = true, true
		injected["linkerd-identity-end-entity"], injected["linkerd-identity-token"] = true, true
		drop(meta, "annotations", "linkerd.io/proxy-version")
	}
	if len(injected) == 0 {
		return
	}
	notInjected := func(item any) bool {
		part, _ := item.(map[string]any)
		return !injected[text(part, "name")]
	}
	keepItems(spec, "containers", notInjected)
	keepItems(spec, "initContainers", notInjected)
	dropVolumes(spec, func(volume map[string]any) bool { return injected[text(volume, "name")] })
}

func asText(value any) string {
	s, _ := value.(string)
	return s
}

// IsGeneratedToken says whether a Secret's name is the one the platform once
// gave to a service account's automatic token: "account-token-" and five
// characters.
func IsGeneratedToken(account, secret string) bool {
	rest, ok := strings.CutPrefix(secret, account+"-token-")
	return ok && len(rest) == 5 && !strings.ContainsAny(rest, "-.")
}
