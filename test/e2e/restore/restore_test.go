//go:build e2e

package restore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// One application: restored beside itself, patched, destroyed and brought
// back, killed on the way.
func TestRestore(t *testing.T) {
	w := newWorld(t)
	data := w.data(w.app)
	original := w.handles(w.app)
	p := w.backup()

	t.Run("beside the living original", func(t *testing.T) {
		w := w.in(t)
		result, warnings := w.restore(w.run("copy", p, func(r *agentv1.Restore) { r.NamespaceMappings = map[string]string{w.app: w.copy()} }))
		check(t, w, result, data, original, w.copy())
		if diff := cmp.Diff(data, w.data(w.app)); diff != "" {
			t.Errorf("the original changed: %s", diff)
		}
		subject := w.kubectl("get", "rolebinding", "robot", "-n", w.copy(), "-o", "jsonpath={.subjects[0].namespace}")
		if subject != w.copy() {
			t.Errorf("the binding is for %q", subject)
		}
		for _, code := range []string{"HostnamesShared", "JobRestoredSuspended"} {
			if !strings.Contains(fmt.Sprint(warnings), code) {
				t.Errorf("no warning %s in %v", code, warnings)
			}
		}
	})

	t.Run("again changes nothing", func(t *testing.T) {
		w := w.in(t)
		for _, policy := range []agentv1.ConflictPolicy{agentv1.ConflictSkip, agentv1.ConflictPatch} {
			result, _ := w.restore(w.run("again-"+strings.ToLower(string(policy)), p, func(r *agentv1.Restore) { r.ConflictPolicy = policy }))
			if result.Created+result.Patched+result.Failed != 0 {
				t.Errorf("%s: %s", policy, lines(result))
			}
		}
	})

	t.Run("patch", func(t *testing.T) {
		w := w.in(t)
		w.kubectl("scale", "-n", w.app, "deployment/web", "--replicas=0")
		w.kubectl("label", "-n", w.app, "cm/settings", "extra=1")
		result, _ := w.restore(w.run("patch", p, func(r *agentv1.Restore) { r.ConflictPolicy = agentv1.ConflictPatch }))
		if result.Patched != 1 || result.Failed != 0 {
			t.Errorf("%s", lines(result))
		}
		w.ready(w.app)
	})

	t.Run("destroyed, killed on the way", func(t *testing.T) {
		w := w.in(t)
		w.kubectl("delete", "crd", "widgets."+w.app+".example.org", "--wait=false")
		w.kubectl("delete", "namespace", w.app, "--wait=false") // the restore waits until it is gone
		run := w.run("back", p, nil)
		for _, phase := range []string{"definitions", "volumes", "volumes", "workloads", "finish"} {
			ctx, kill := context.WithTimeout(t.Context(), 3*time.Minute)
			_, _, err := w.restorer().Run(ctx, run, func(p agentv1.Progress) {
				if p.Phase == phase {
					kill()
				}
			})
			kill()
			t.Logf("killed in %s: %v", phase, err)
		}
		result, _ := w.restore(run)
		check(t, w, result, data, original, w.app)
		port := func() string {
			return w.kubectl("get", "service", "web", "-n", w.app, "-o", "jsonpath={.spec.ports[0].nodePort}")
		}()
		if !strings.Contains(string(find(t, p, "Service", "web")), port) {
			t.Errorf("the node port is %s now", port)
		}
	})
}

// in is the same world for a sub-test.
func (w *world) in(t *testing.T) *world {
	inner := *w
	inner.t = t
	return &inner
}

func lines(result agentv1.RestoreResult) string {
	var b strings.Builder
	for _, item := range result.Items {
		if item.Action != agentv1.ItemSkipped && item.Action != agentv1.ItemUnchanged {
			fmt.Fprintf(&b, "%s %s %s/%s: %s %s\n", item.Action, item.Resource, item.Namespace, item.Name, item.Code, item.Reason)
		}
	}
	return b.String()
}

func find(t *testing.T, p point, kind, name string) json.RawMessage {
	for _, raw := range p.objects {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind == kind && head.Metadata.Name == name {
			return raw
		}
	}
	t.Fatalf("no %s %s", kind, name)
	return nil
}

// check looks at a restored application: pods run, data is there, nothing
// points at the source, nothing is left over.
func check(t *testing.T, w *world, result agentv1.RestoreResult, data map[string]string, original map[string]bool, namespace string) {
	t.Helper()
	if result.Failed != 0 || result.Volumes != 4 {
		t.Fatalf("%d volumes\n%s", result.Volumes, lines(result))
	}
	w.ready(namespace)
	if diff := cmp.Diff(data, w.data(namespace)); diff != "" {
		t.Errorf("data (-backup +restored):\n%s", diff)
	}
	for handle := range w.handles(namespace) {
		if original[handle] {
			t.Errorf("a restored claim uses source volume %s", handle)
		}
	}
	if left := w.kubectl("get", "volumesnapshots,volumesnapshotcontents", "-A", "-l", "holdfast.dev/operation", "-o", "name"); left != "" {
		t.Errorf("helpers are left: %s", left)
	}
	if suspended := w.kubectl("get", "cronjob", "nightly", "-n", namespace, "-o", "jsonpath={.spec.suspend}"); suspended != "false" {
		t.Errorf("the CronJob is suspended: %s", suspended)
	}
	if suspended := w.kubectl("get", "job", "long", "-n", namespace, "-o", "jsonpath={.spec.suspend}"); suspended != "true" {
		t.Errorf("the Job that was running was started again")
	}
	owner := w.kubectl("get", "cm", "generated", "-n", namespace, "-o", "jsonpath={.metadata.ownerReferences[0].uid}")
	if widget := w.kubectl("get", "widget."+w.app+".example.org", "main", "-n", namespace, "-o", "jsonpath={.metadata.uid} {.spec.serial}"); widget != owner+" 9007199254740993" {
		t.Errorf("widget %s, owner %s", widget, owner)
	}
	token := w.kubectl("get", "secret", "robot-token", "-n", namespace, "-o", "jsonpath={.data.token}")
	if token == "" || strings.Contains(string(find(t, w.last, "Secret", "robot-token")), token) {
		t.Errorf("the token was not made anew")
	}
}
