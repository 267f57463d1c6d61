package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

var (
	keys       = seal.Derive([32]byte{1}, repository)
	repository = layout.ID{2}
	id         = layout.ID{3}
	root       = strings.Repeat("ab", 32)
)

func example() manifest.Manifest {
	m := manifest.Manifest{ID: id.String(), Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)), Instance: "instance",
		Streams: []manifest.StreamRef{
			{Name: "volumes/a", Type: manifest.TypeVolume, Levels: 1, Length: 5000, BlockSize: 4096},
			{Name: "objects", Type: manifest.TypeArchive, Root: root, Levels: 2, Records: 3, Bytes: 4},
		},
		Volumes:  []manifest.Volume{{Namespace: "n", Claim: "c", Protected: true, SnapshotHandle: "h", Facts: map[string]string{"zone": "1"}}},
		Kinds:    []manifest.Kind{{Version: "v1", Kind: "Secret", Resource: "secrets", Namespaced: true, ResourceVersion: "42", Objects: 3}},
		Warnings: []manifest.Warning{{Resource: "r", Code: "c", Message: "m"}},
		Facts:    map[string]string{"b": "2", "a": "1"}}
	m.Seal()
	return m
}

func TestManifestsAreReadBack(t *testing.T) {
	want := example()
	content, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := manifest.Decode(content, id)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v\nwant %+v", got, err, want)
	}
	if got.Streams[0].Name != "objects" || got.Created.Location() != time.UTC {
		t.Error("not in the order and zone of the format")
	}
	extended := append(bytes.Clone(content[:len(content)-1]), []byte(`,"newMember":{"a":[1]}}`)...)
	if _, err := manifest.Decode(extended, id); err != nil {
		t.Errorf("a member that is not known: %v", err)
	}
}

func TestContradictionsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*manifest.Manifest){
		"version":       func(m *manifest.Manifest) { m.Version = 2 },
		"id":            func(m *manifest.Manifest) { m.ID = layout.ID{4}.String() },
		"root":          func(m *manifest.Manifest) { m.Streams[0].Records++ },
		"no root":       func(m *manifest.Manifest) { m.Root = "" },
		"stream lost":   func(m *manifest.Manifest) { m.Streams = m.Streams[:1] },
		"order":         func(m *manifest.Manifest) { m.Streams[0], m.Streams[1] = m.Streams[1], m.Streams[0] },
		"same name":     func(m *manifest.Manifest) { m.Streams[1].Name = m.Streams[0].Name },
		"no name":       func(m *manifest.Manifest) { m.Streams[0].Name = "" },
		"type":          func(m *manifest.Manifest) { m.Streams[0].Type = "other" },
		"stream root":   func(m *manifest.Manifest) { m.Streams[0].Root = "abcd" },
		"upper case":    func(m *manifest.Manifest) { m.Streams[0].Root = strings.ToUpper(root) },
		"depth":         func(m *manifest.Manifest) { m.Streams[0].Levels = 13 },
		"no depth":      func(m *manifest.Manifest) { m.Streams[0].Levels = 0 },
		"negative":      func(m *manifest.Manifest) { m.Streams[0].Records = -1 },
		"volume depth":  func(m *manifest.Manifest) { m.Streams[1].Levels = 2 },
		"block size":    func(m *manifest.Manifest) { m.Streams[1].BlockSize = 5000 },
		"volume length": func(m *manifest.Manifest) { m.Streams[1].Length = -1 },
	} {
		m := example()
		change(&m)
		content, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = manifest.Decode(content, id)
		if name == "version" && !errors.Is(err, seal.ErrVersion) {
			t.Errorf("newer version: %v", err)
		}
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestRootFollowsFromStreamsAlone(t *testing.T) {
	a, b := example(), example()
	b.Facts, b.Warnings, b.Instance = nil, nil, "other"
	b.Seal()
	if a.Root != b.Root {
		t.Error("the root depends on more than streams")
	}
	b.Streams[0].Bytes++
	b.Seal()
	if a.Root == b.Root {
		t.Error("the root does not depend on streams")
	}
}

func TestDocumentsOpenOnlyUnderTheirName(t *testing.T) {
	content := []byte(`{"a":1}`)
	data, err := manifest.EncodeDocument(keys, seal.Manifest, repository, id, [16]byte{1}, content)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := manifest.DecodeDocument(keys, seal.Manifest, repository, id, data); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%s, %v", got, err)
	}
	for name, err := range map[string]error{
		"other id":         second(manifest.DecodeDocument(keys, seal.Manifest, repository, layout.ID{9}, data)),
		"other repository": second(manifest.DecodeDocument(keys, seal.Manifest, layout.ID{9}, id, data)),
		"other kind":       second(manifest.DecodeDocument(keys, seal.Writer, repository, id, data)),
		"other key":        second(manifest.DecodeDocument(seal.Derive([32]byte{9}, repository), seal.Manifest, repository, id, data)),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for at := range data {
		changed := bytes.Clone(data)
		changed[at] ^= 1
		if _, err := manifest.DecodeDocument(keys, seal.Manifest, repository, id, changed); err == nil {
			t.Errorf("byte %d changed unnoticed", at)
		}
		if _, err := manifest.DecodeDocument(keys, seal.Manifest, repository, id, data[:at]); err == nil {
			t.Errorf("cut to %d unnoticed", at)
		}
	}
	other, err := manifest.EncodeDocument(keys, seal.Manifest, repository, id, [16]byte{2}, content)
	if err != nil || bytes.Equal(other[24:40], data[24:40]) {
		t.Errorf("two salts give the same bytes, %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzDecode(f *testing.F) {
	m := example()
	content, err := m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(`{"version":1,"streams":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.Decode(data, id)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil {
			return // a time out of range: readable, not writable
		}
		if _, err := manifest.Decode(again, id); err != nil {
			t.Errorf("not read back: %v", err)
		}
	})
}

func FuzzDecodeDocument(f *testing.F) {
	data, err := manifest.EncodeDocument(keys, seal.Manifest, repository, id, [16]byte{}, []byte(`{}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = manifest.DecodeDocument(keys, seal.Manifest, repository, id, data) // must not panic
	})
}
