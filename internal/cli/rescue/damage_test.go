package rescue_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/repo/layout"
)

const inVault = "vaults/ffeeddccbbaa99887766554433221100/" + uid

// damage changes the middle of every object that the pattern means; nil content
// deletes.
func (s *stand) damage(t *testing.T, pattern string, change func([]byte) []byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Dir, inVault, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d objects, %v", pattern, len(names), err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if content = change(content); content == nil {
			continue
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func gone([]byte) []byte { return nil }

func flipped(content []byte) []byte {
	content[len(content)/2] ^= 1
	return content
}

func TestWhatIsWholeIsGivenOut(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *stand){
		"without an index":              func(t *testing.T, s *stand) { s.damage(t, layout.Indexes+"*", gone) },
		"damaged index":                 func(t *testing.T, s *stand) { s.damage(t, layout.Indexes+"*", flipped) },
		"without the object repository": func(t *testing.T, s *stand) { s.damage(t, layout.Repository, gone) },
		"damaged object repository":     func(t *testing.T, s *stand) { s.damage(t, layout.Repository, flipped) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			spoil(t, s)
			to := t.TempDir()
			s.must(t, "extract", "bb", "--all", "--to", filepath.Join(to, "o"))
			s.must(t, "extract", "bb", "--volume", "shop/data", "--to", filepath.Join(to, "v"))
			want, _ := os.ReadFile(s.image)
			if got, err := os.ReadFile(filepath.Join(to, "v")); err != nil || string(got) != string(want) {
				t.Errorf("the volume is another: %v", err)
			}
			if out := s.must(t, "extract", "bb", "--volume", "shop/data", "--file", "etc/app.conf", "--to", "-"); out != s.files["etc/app.conf"] {
				t.Errorf("file: %q", out)
			}
		})
	}
}

func TestDamagedPacksAreNamed(t *testing.T) {
	s := newStand(t)
	s.damage(t, layout.Packs+"*/*", flipped)
	code, out, errs := s.run("verify", "--full")
	if code != 1 || strings.Count(out, `"damaged"`) != 2 || strings.Count(out, `"whole"`) != 1 || !strings.Contains(errs, "packs/") {
		t.Errorf("verify: %d %s\n%s", code, out, errs)
	}
	if code, _, errs := s.run("extract", "bb", "--volume", "shop/data", "--to", filepath.Join(t.TempDir(), "v")); code != 1 || !strings.Contains(errs, "are zeros") {
		t.Errorf("volume: %d %s", code, errs)
	}
	if out := s.must(t, "extract", "aa", "--prefix", "repositories/", "--all", "--to", "-"); strings.Count(out, "kind: Deployment") != 300 {
		t.Error("the other repository suffers")
	}
}

func TestDamagedManifestHidesNoOther(t *testing.T) {
	s := newStand(t)
	s.damage(t, layout.Manifests+pointA, flipped)
	code, out, errs := s.run("list")
	if code != 1 || strings.Count(out, `"readable"`) != 2 || !strings.Contains(out, "damaged") || !strings.Contains(errs, "1 recovery points or repositories cannot be read") {
		t.Errorf("list: %d %s\n%s", code, out, errs)
	}
	s.must(t, "browse", "bb")
	s.damage(t, "keys/*", gone)
	code, out, errs = s.run("list")
	if code != 1 || strings.Count(out, `"readable"`) != 1 || !strings.Contains(errs, "holds no wrapped key") {
		t.Errorf("without its key: %d %s\n%s", code, out, errs)
	}
}
