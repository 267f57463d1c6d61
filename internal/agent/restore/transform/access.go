package transform

import (
	"fmt"
	"strings"
)

// secret drops what belongs to the old service account: a token is bound to
// its account's UID. The token controller fills a Secret a person made again.
func secret(o *object) {
	meta := child(o.body, "metadata")
	switch text(o.body, "type") {
	case "kubernetes.io/service-account-token":
		drop(o.body, "data", "token", "ca.crt", "namespace", "service-ca.crt")
		drop(meta, "annotations", "kubernetes.io/service-account.uid")
		drop(meta, "labels", "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since")
	case "helm.sh/release.v1":
		if o.mapped() {
			o.note(CodeHelmNamespace, fmt.Sprintf("helm remembers namespace %q; an upgrade of the release will work there", text(meta, "namespace")))
		}
	}
}

// account forgets the tokens the platform generated for the old account.
func account(o *object) {
	name := text(o.body, "metadata", "name")
	foreign := func(item any) bool {
		reference, _ := item.(map[string]any)
		secret := text(reference, "name")
		return !IsGeneratedToken(name, secret) && !strings.HasPrefix(secret, name+"-dockercfg-")
	}
	keepItems(o.body, "secrets", foreign)
	keepItems(o.body, "imagePullSecrets", foreign)
}

// binding rewrites the two ways in which a subject names a service account
// inside a plain user or group name.
func binding(o *object) {
	for _, item := range list(o.body, "subjects") {
		subject, _ := item.(map[string]any)
		name := text(subject, "name")
		if rest, ok := strings.CutPrefix(name, "system:serviceaccount:"); ok {
			namespace, account, _ := strings.Cut(rest, ":")
			subject["name"] = "system:serviceaccount:" + o.rules.Namespace(namespace) + ":" + account
		} else if namespace, ok := strings.CutPrefix(name, "system:serviceaccounts:"); ok {
			subject["name"] = "system:serviceaccounts:" + o.rules.Namespace(namespace)
		}
	}
}

// MergeAccount adds to a live service account what the backed-up one has and
// it lacks: labels, annotations, pull secrets and secrets. It returns the JSON
// merge patch to send, nil when nothing is missing.
func MergeAccount(live, wanted map[string]any) map[string]any {
	patch := map[string]any{}
	meta := map[string]any{}
	for _, field := range []string{"labels", "annotations"} {
		if missing := missingKeys(child(live, "metadata", field), child(wanted, "metadata", field)); len(missing) > 0 {
			meta[field] = missing
		}
	}
	if len(meta) > 0 {
		patch["metadata"] = meta
	}
	for _, field := range []string{"secrets", "imagePullSecrets"} {
		if merged, more := mergeNamed(list(live, field), list(wanted, field)); more {
			patch[field] = merged
		}
	}
	if len(patch) == 0 {
		return nil
	}
	return patch
}

func missingKeys(live, wanted map[string]any) map[string]any {
	missing := map[string]any{}
	for key, value := range wanted {
		if _, ok := live[key]; !ok {
			missing[key] = value
		}
	}
	return missing
}

func mergeNamed(live, wanted []any) (merged []any, more bool) {
	names := map[string]bool{}
	for _, item := range live {
		reference, _ := item.(map[string]any)
		names[text(reference, "name")] = true
		merged = append(merged, item)
	}
	for _, item := range wanted {
		reference, _ := item.(map[string]any)
		if name := text(reference, "name"); !names[name] {
			names[name] = true
			merged = append(merged, item)
			more = true
		}
	}
	return merged, more
}
