package resourceid_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/resourceid"
)

func TestParts(t *testing.T) {
	const slot = "/subscriptions/S/resourceGroups/RG/providers/Microsoft.Web/sites/site/slots/slot"
	cases := []struct {
		in, out, kind, name, parent, subscription, group string
	}{
		{"/", "/", "", "", "/", "", ""},
		{"/Subscriptions/S/", "/subscriptions/S", resourceid.TypeSubscription, "S", "/", "S", ""},
		{"/subscriptions/S/resourcegroups/RG", "/subscriptions/S/resourceGroups/RG", resourceid.TypeResourceGroup, "RG", "/subscriptions/S", "S", "RG"},
		{strings.ToLower(slot), strings.Replace(strings.ToLower(slot), "resourcegroups", "resourceGroups", 1), "microsoft.web/sites/slots", "slot",
			"/subscriptions/s/resourceGroups/rg/providers/microsoft.web/sites/site", "s", "rg"},
		{slot + "/PROVIDERS/A.B/locks/l", slot + "/providers/A.B/locks/l", "A.B/locks", "l", slot, "S", "RG"},
		{"/providers/A.B/groups/g", "/providers/A.B/groups/g", "A.B/groups", "g", "/", "", ""},
		{"/subscriptions/S/providers/A.B/locations/west", "/subscriptions/S/providers/A.B/locations/west", "A.B/locations", "west", "/subscriptions/S", "S", ""},
		{"/subscriptions/S/providers/A.B/c/providers", "/subscriptions/S/providers/A.B/c/providers", "A.B/c", "providers", "/subscriptions/S", "S", ""},
		{"/subscriptions/resourceGroups/resourceGroups/providers", "/subscriptions/resourceGroups/resourceGroups/providers", resourceid.TypeResourceGroup, "providers", "/subscriptions/resourceGroups", "resourceGroups", "providers"},
	}
	for _, c := range cases {
		id, err := resourceid.Parse(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		got := []string{id.String(), id.Type(), id.Name(), id.Parent().String(), id.Subscription(), id.ResourceGroup()}
		want := []string{c.out, c.kind, c.name, c.parent, c.subscription, c.group}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: got %q, want %q", c.in, got, want)
				break
			}
		}
		if !id.SubscriptionID().Contains(id) || !id.ResourceGroupID().Contains(id) {
			t.Errorf("%s is not in its own places", c.in)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, in := range []string{
		"", "x", "subscriptions/s", "//", "/subscriptions", "/subscriptions//", "/subscriptions/s/resourceGroups", "/subscriptions/s/x/y",
		"/resourceGroups/rg", "/providers/A.B", "/providers/A.B/c", "/providers/A.B/c/d/e", "/subscriptions/..", "/subscriptions/a?b",
		"/subscriptions/a%2fb", "/subscriptions/a\nb", "/subscriptions/a\\b", "/subscriptions/\xff", "/subscriptions/s/providers/A.B/providers/C.D/e/f/g",
		"/subscriptions/" + strings.Repeat("x", resourceid.MaxSegment+1), "/subscriptions/s" + strings.Repeat("/providers/A.B/c/d", 200),
	} {
		if id, err := resourceid.Parse(in); !errors.Is(err, resourceid.ErrMalformed) {
			t.Errorf("%.60q: %v, %v", in, id, err)
		}
	}
}

func TestBuild(t *testing.T) {
	s := resourceid.MustParse("/subscriptions/s")
	g, err := s.Child("resourceGroups", "g")
	if err != nil {
		t.Fatal(err)
	}
	site, err := g.Resource("Microsoft.Web/sites", "a")
	if err != nil || site.String() != "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a" || !site.HasType("microsoft.web/SITES") {
		t.Error(site, err)
	}
	if slot, err := site.Child("slots", "b"); err != nil || slot.Parent().String() != site.String() {
		t.Error(slot, err)
	}
	if _, err := site.Child("slots", "b/c"); err == nil {
		t.Error("a name with a slash was accepted")
	}
	if top, err := resourceid.Root.Resource("A.B/c", "d"); err != nil || top.String() != "/providers/A.B/c/d" {
		t.Error(top, err)
	}
}

func TestContains(t *testing.T) {
	ids := []string{"/", "/subscriptions/s", "/subscriptions/s/resourceGroups/rg", "/subscriptions/s/resourceGroups/rg/providers/A.B/c/d"}
	for i, outer := range ids {
		for j, inner := range ids {
			if got := resourceid.MustParse(outer).Contains(resourceid.MustParse(strings.ToUpper(inner))); got != (i <= j) {
				t.Errorf("%s contains %s: %v", outer, inner, got)
			}
		}
	}
	if resourceid.MustParse("/subscriptions/s").Contains(resourceid.MustParse("/subscriptions/s2/resourceGroups/rg")) {
		t.Error("a scope contains another one that only starts alike")
	}
}

func TestText(t *testing.T) {
	var id resourceid.ID
	if err := id.UnmarshalText([]byte("/SUBSCRIPTIONS/s")); err != nil || !id.Equal(resourceid.MustParse("/subscriptions/S")) {
		t.Error(id, err)
	}
	if text, err := id.MarshalText(); err != nil || string(text) != "/subscriptions/s" {
		t.Error(string(text), err)
	}
	if id.UnmarshalText([]byte("nonsense")) == nil {
		t.Error("nonsense accepted")
	}
}

// generate draws a well-formed id.
func generate(t *rapid.T) string {
	word := rapid.StringMatching(`[A-Za-z0-9_.(): äÄ-]{0,8}[A-Za-z0-9]`)
	text := ""
	if rapid.Bool().Draw(t, "in subscription") {
		text += "/subscriptions/" + word.Draw(t, "s")
		if rapid.Bool().Draw(t, "in group") {
			text += "/RESOURCEgroups/" + word.Draw(t, "g")
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "providers") {
		text += "/providers/A." + word.Draw(t, "ns")
		for range rapid.IntRange(1, 3).Draw(t, "depth") {
			text += "/t" + word.Draw(t, "type") + "/" + word.Draw(t, "name")
		}
	}
	return text + "/"
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id, err := resourceid.Parse(generate(t))
		if err != nil {
			t.Fatal(err)
		}
		again := resourceid.MustParse(id.String())
		lower := resourceid.MustParse(id.Key())
		switch {
		case again.String() != id.String():
			t.Fatalf("%s reads back as %s", id, again)
		case !lower.Equal(id) || lower.Key() != id.Key():
			t.Fatalf("%s is not equal to its own key", id)
		case !id.Parent().Contains(id) || !resourceid.Root.Contains(id) || !id.Contains(id):
			t.Fatalf("%s is not in its parent, root or itself", id)
		case !id.IsRoot() && id.Contains(id.Parent()):
			t.Fatalf("%s contains its parent", id)
		}
		steps := 0
		for p := id; !p.IsRoot(); p = p.Parent() {
			if steps++; steps > 20 {
				t.Fatalf("the parents of %s do not end", id)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("/subscriptions/s/resourceGroups/rg/providers/A.B/c/d/providers/E.F/g/h")
	f.Add("/providers/providers/providers/providers")
	f.Add("/subscriptions/\u212a")
	f.Fuzz(func(t *testing.T, in string) {
		id, err := resourceid.Parse(in)
		if err != nil {
			return
		}
		again, err := resourceid.Parse(id.String())
		if err != nil || again.String() != id.String() || again.Type() != id.Type() {
			t.Errorf("%q: %v, %v", in, again, err)
		}
		if !id.Parent().Contains(id) {
			t.Errorf("%q is not in its parent %s", in, id.Parent())
		}
	})
}
