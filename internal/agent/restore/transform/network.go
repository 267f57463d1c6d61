package transform

import (
	"fmt"
	"strings"
)

// ingress, route and httpRoute warn when a copy claims the host names of the
// original: who answers is then up to the controller.
func ingress(o *object) {
	var hosts []string
	for _, item := range list(o.body, "spec", "rules") {
		rule, _ := item.(map[string]any)
		hosts = append(hosts, text(rule, "host"))
	}
	o.sharedHosts(hosts)
}

func route(o *object) { o.sharedHosts([]string{text(o.body, "spec", "host")}) }

func httpRoute(o *object) {
	var hosts []string
	for _, host := range list(o.body, "spec", "hostnames") {
		hosts = append(hosts, asText(host))
	}
	o.sharedHosts(hosts)
}

func (o *object) sharedHosts(hosts []string) {
	var named []string
	for _, host := range hosts {
		if host != "" {
			named = append(named, host)
		}
	}
	if o.mapped() && len(named) > 0 {
		o.note(CodeHostnamesShared, fmt.Sprintf("it claims the host names of the original: %s", strings.Join(named, ", ")))
	}
}
