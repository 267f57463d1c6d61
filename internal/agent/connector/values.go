package connector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// Setting names that the extension's chart follows. Other settings, such as
// those of the storage location, are the service's business and are passed over.
var resourceSettings = []string{
	"resources.requests.cpu", "resources.requests.memory", "resources.limits.cpu", "resources.limits.memory",
}

const settingTelemetry = "telemetry.endpoint"

// moverSettings bound how many movers work at the same time: value of the chart
// by setting.
var moverSettings = map[string]string{"movers.perNode": "perNode", "movers.perTarget": "perTarget"}

// CodeSetting says that a setting of the extension has a value that cannot be used.
const CodeSetting = "UserErrorExtensionSettingNotValid"

// Image is what the extension's pods run.
type Image struct {
	Name       string
	PullPolicy string // Always, IfNotPresent or Never
}

// values turns what was declared into the values of the extension's chart.
func values(install agentv1.InstallExtension, image Image) (map[string]any, error) {
	resources, err := resourceValues(install.Settings)
	if err != nil {
		return nil, err
	}
	limits, err := moverValues(install.Settings)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"image": image.Name, "imagePullPolicy": image.PullPolicy,
		"service": map[string]any{
			"address": install.AgentAddress, "ca": install.ServiceCA, "token": install.Token,
		},
		"location": map[string]any{
			"url": install.Location.URL, "account": install.Location.Account, "key": install.Location.Key,
		},
		"resources": resources,
		"movers":    limits,
		"telemetry": map[string]any{"endpoint": install.Settings[settingTelemetry]},
	}, nil
}

// resourceValues nests the resource settings; what is not set keeps the
// chart's default.
func resourceValues(settings map[string]string) (map[string]any, error) {
	nested := map[string]any{}
	for name, value := range settings {
		if !slices.Contains(resourceSettings, name) || value == "" {
			continue
		}
		if quantity, err := resource.ParseQuantity(value); err != nil || quantity.Sign() <= 0 {
			return nil, &agentv1.Problem{
				Code: CodeSetting, Target: name, Actions: []string{"Set it to a Kubernetes quantity, such as 500m or 1280Mi."},
				Message: fmt.Sprintf("The setting %s has the value %q, which is not a quantity above zero.", name, value),
			}
		}
		parts := strings.Split(name, ".")
		group, ok := nested[parts[1]].(map[string]any)
		if !ok {
			group = map[string]any{}
			nested[parts[1]] = group
		}
		group[parts[2]] = value
	}
	return nested, nil
}

// moverValues are the limits of movers that are set.
func moverValues(settings map[string]string) (map[string]any, error) {
	limits := map[string]any{}
	for name, value := range moverSettings {
		raw := settings[name]
		if raw == "" {
			continue
		}
		limit, err := strconv.ParseUint(raw, 10, 15)
		if err != nil || limit == 0 {
			return nil, &agentv1.Problem{
				Code: CodeSetting, Target: name, Actions: []string{"Set it to a whole number, such as 2."},
				Message: fmt.Sprintf("The setting %s has the value %q, which is not a whole number from 1 to 32767.", name, raw),
			}
		}
		limits[value] = int64(limit)
	}
	return limits, nil
}

// onDirectory reports whether pods mount a directory of their node.
func onDirectory(location agentv1.StorageLocation) bool {
	return strings.HasPrefix(location.URL, "file://")
}
