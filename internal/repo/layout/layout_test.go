package layout_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/layout"
)

func TestNamesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := layout.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		if got, err := layout.ParsePack(layout.Pack(id)); err != nil || got != id {
			t.Errorf("pack: %v, %v", got, err)
		}
		for prefix, name := range map[string]string{layout.Indexes: layout.Index(id), layout.Manifests: layout.Manifest(id),
			layout.Writers: layout.Writer(id), layout.Condemneds: layout.Condemned(id)} {
			if got, err := layout.Parse(prefix, name); err != nil || got != id {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			if err := objstore.CheckName(name); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestNamesThatAreNotOfTheFormat(t *testing.T) {
	const id = "00112233445566778899aabbccddeeff"
	for _, name := range []string{"", "packs/", "packs/00", "packs/" + id, "packs/01/" + id, "packs/00/" + id + "0", "packs/00/" + id[1:],
		"packs/00/x" + id[1:], "other/00/" + id, "packs/00/00112233445566778899AABBCCDDEEFF"} {
		if _, err := layout.ParsePack(name); !errors.Is(err, layout.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "indexes/", id, "indexes/" + id + "/", "manifests/" + id, "indexes/" + id[2:], "indexes//" + id} {
		if _, err := layout.Parse(layout.Indexes, name); !errors.Is(err, layout.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzParsePack(f *testing.F) {
	f.Add("packs/00/00112233445566778899aabbccddeeff")
	f.Add("packs/")
	f.Fuzz(func(t *testing.T, name string) {
		if id, err := layout.ParsePack(name); err == nil && layout.Pack(id) != name {
			t.Errorf("%q names the pack of %s", name, id)
		}
	})
}
