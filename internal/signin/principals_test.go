package signin_test

import (
	"errors"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/resourceid"
	"holdfast.dev/holdfast/internal/signin"
)

func reader(t *testing.T, scope string) signin.Grant {
	t.Helper()
	role, ok := access.RoleByName(access.RoleReader)
	if !ok {
		t.Fatal("no role Reader")
	}
	return signin.Grant{Role: role, Scope: resourceid.MustParse(scope)}
}

func TestPrincipalHoldsItsGrants(t *testing.T) {
	w := newWorld(t)
	w.bootstrap()
	c, err := w.Create(t.Context(), "ci", reader(t, "/subscriptions/sub1"), reader(t, "/subscriptions/sub2"))
	if err != nil {
		t.Fatal(err)
	}
	token := "Bearer " + w.tokenFor(c)
	if resp, body := w.get(me, token); resp.StatusCode != 200 {
		t.Error(resp.StatusCode, body)
	}
	if resp, _ := w.get(strings.Replace(me, "sub1", "sub3", 1), token); resp.StatusCode != 403 {
		t.Error("more than was granted:", resp.StatusCode)
	}
	all, err := w.List(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	if err := w.DeleteNamed(t.Context(), "CI"); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.get(me, token); resp.StatusCode != 401 {
		t.Error("deleted and not out:", resp.StatusCode)
	}
	if strings.Contains(dumpOf(t, w.store), c.ObjectID) {
		t.Error("an assignment is left over")
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Create(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Create(t.Context(), "Ci"); !errors.Is(err, signin.ErrNameTaken) {
		t.Error(err)
	}
	for _, bad := range []string{"", " ci", "a\tb", "a\nb", strings.Repeat("x", 121)} {
		if _, err := w.Create(t.Context(), bad); err == nil {
			t.Errorf("name %q accepted", bad)
		}
	}
	if all, err := w.List(t.Context()); err != nil || len(all) != 1 {
		t.Error("a refusal made something:", all, err)
	}
	for _, err := range []error{w.DeleteNamed(t.Context(), "other"), w.Delete(t.Context(), "other")} {
		if !errors.Is(err, signin.ErrNoPrincipal) {
			t.Error(err)
		}
	}
}

func TestLastOwnerStays(t *testing.T) {
	w := newWorld(t)
	c := w.bootstrap()
	if _, err := w.Create(t.Context(), "reader", reader(t, "/")); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{w.Delete(t.Context(), c.ClientID), w.DeleteNamed(t.Context(), "bootstrap")} {
		if !errors.Is(err, signin.ErrLastOwner) || !strings.Contains(err.Error(), "bootstrap") {
			t.Error(err)
		}
	}
	w.tokenFor(c) // nothing was taken away
	if _, err := w.Create(t.Context(), "second", signin.OwnerOfAll()); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), c.ClientID); err != nil {
		t.Error(err)
	}
	if err := w.DeleteNamed(t.Context(), "second"); !errors.Is(err, signin.ErrLastOwner) {
		t.Error(err)
	}
}
