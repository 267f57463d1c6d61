package repo

import (
	"testing"

	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

var fuzzKey, fuzzID = Key{1}, layout.ID{2}

func FuzzCheckIdentity(f *testing.F) {
	f.Add(encodeIdentity(fuzzID, seal.Derive(fuzzKey, fuzzID)))
	f.Add([]byte(`{"format":"holdfast repository","version":1,"id":"","keyId":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if id, keys, err := checkIdentity(data, fuzzKey); err == nil && string(encodeIdentity(id, keys)) != string(data) {
			t.Error("taken, and not what is written")
		}
	})
}

// FuzzCondemnation reads what somebody with the key wrote.
func FuzzCondemnation(f *testing.F) {
	f.Add([]byte(`{"version":1,"packs":["00112233445566778899aabbccddeeff"]}`))
	f.Add([]byte(`{"version":1,"packs":[null]}`))
	f.Add([]byte(`{"version":2}`))
	r := &Repository{store: &objstoretest.Memory{}, id: fuzzID, keys: seal.Derive(fuzzKey, fuzzID)}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 1<<16 {
			return
		}
		data, err := manifest.EncodeDocument(r.keys, seal.Condemned, r.id, fuzzID, [16]byte{1}, content)
		if err != nil {
			t.Fatal(err)
		}
		packs := map[layout.ID]bool{}
		if err := r.condemn(packs, fuzzID, data); err != nil && len(content) == 0 && len(packs) > 0 {
			t.Error(err)
		}
	})
}
