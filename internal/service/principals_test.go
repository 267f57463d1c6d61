package service_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
)

func options(w *world) service.Options {
	return service.Options{DataDir: w.dir, Clock: clock.System{}}
}

// What the commands change is seen by the running service, and the other way
// round.
func TestPrincipalsAndTheAPI(t *testing.T) {
	w := newWorld(t)
	o, at := options(w), "/providers/Microsoft.Authorization/roleAssignments"
	owners := w.must(http.MethodGet, at, nil)["value"].([]any)
	first := owners[0].(object)["id"].(string)
	w.refused("LastOwnerAssignment", http.MethodDelete, first, nil)

	w.must(http.MethodPut, w.group, object{"location": "local"})
	made, err := service.CreatePrincipal(t.Context(), o, "second", []service.Grant{{Role: "owner", Scope: "/"}, {Role: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Scope: w.group}})
	if err != nil {
		t.Fatal(err)
	}
	if made.URL != w.admin.URL || made.CAFile != w.admin.CAFile || made.Tenant != w.admin.Tenant || made.Subscription != w.admin.Subscription {
		t.Errorf("%+v differs from %+v", made, w.admin)
	}
	w.must(http.MethodDelete, first, nil)
	if err := service.DeletePrincipal(t.Context(), o, "second", ""); err == nil || !strings.Contains(err.Error(), "last Owner") {
		t.Error(err)
	}
	if err := service.DeletePrincipal(t.Context(), o, "", w.admin.ClientID); err != nil {
		t.Error(err)
	}
	all, err := service.Principals(t.Context(), o)
	if err != nil || len(all) != 1 || all[0].ClientID != made.ClientID {
		t.Error(all, err)
	}
	if _, err := w.try(http.MethodGet, w.group, nil); err == nil {
		t.Error("deleted and not out")
	}
}

func TestPrincipalRefusals(t *testing.T) {
	w := newWorld(t)
	o := options(w)
	for want, g := range map[string]service.Grant{
		"not a built-in role": {Role: "King", Scope: "/"},
		"malformed":           {Role: "Reader", Scope: "group"},
		"ResourceGroup":       {Role: "Reader", Scope: w.group},
		"Subscription":        {Role: "Reader", Scope: "/subscriptions/none"},
	} {
		if _, err := service.CreatePrincipal(t.Context(), o, "x", []service.Grant{{Role: "Reader", Scope: "/"}, g}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", g, err)
		}
	}
	if err := os.Remove(filepath.Join(w.dir, "admin.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := service.CreatePrincipal(t.Context(), o, "x", nil); err == nil || !strings.Contains(err.Error(), "admin.json") {
		t.Error(err)
	}
	if all, err := service.Principals(t.Context(), o); err != nil || len(all) != 1 {
		t.Error("a refusal made something:", all, err)
	}
	w.restart() // makes another administrator beside the first, and the file
	made, err := service.CreatePrincipal(t.Context(), o, "x", nil)
	if all, _ := service.Principals(t.Context(), o); err != nil || made.URL != w.admin.URL || len(all) != 3 {
		t.Error(made.URL, all, err)
	}
}
