package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

func keys(n byte) *seal.Keys { return seal.Derive([32]byte{n}, [16]byte{1}) }

func TestKeysDependOnDataKeyAndRepository(t *testing.T) {
	all := []*seal.Keys{keys(1), keys(2), seal.Derive([32]byte{1}, [16]byte{2})}
	seen := map[any]bool{}
	for _, k := range all {
		for _, value := range []any{k.KeyID(), k.Name(nil), string(k.Public())} {
			if seen[value] {
				t.Errorf("%x is not its own", value)
			}
			seen[value] = true
		}
	}
	if first, again := keys(1).Name([]byte("a")), keys(1).Name([]byte("a")); first != again || first == keys(1).Name([]byte("b")) {
		t.Error("names do not follow from content")
	}
}

func TestSealedPartsOpenOnlyWhereTheyBelong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		offset := rapid.Int64Range(0, 1<<40).Draw(t, "offset")
		header, id := seal.Pack.Header(), [16]byte{7}
		c := keys(1).Object(header, id, nil)
		sealed := c.Seal(nil, plain, offset, seal.RoleBody)
		if len(sealed) != len(plain)+seal.Overhead {
			t.Fatalf("%d bytes became %d", len(plain), len(sealed))
		}
		if got, err := c.Open(nil, sealed, offset, seal.RoleBody); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%x, %v", got, err)
		}
		changed := bytes.Clone(sealed)
		changed[rapid.IntRange(0, len(sealed)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		for name, try := range map[string]func() ([]byte, error){
			"changed":      func() ([]byte, error) { return c.Open(nil, changed, offset, seal.RoleBody) },
			"cut":          func() ([]byte, error) { return c.Open(nil, sealed[:len(sealed)-1], offset, seal.RoleBody) },
			"moved":        func() ([]byte, error) { return c.Open(nil, sealed, offset+1, seal.RoleBody) },
			"other role":   func() ([]byte, error) { return c.Open(nil, sealed, offset, seal.RoleFooter) },
			"other key":    func() ([]byte, error) { return keys(2).Object(header, id, nil).Open(nil, sealed, offset, 0) },
			"other object": func() ([]byte, error) { return keys(1).Object(header, [16]byte{8}, nil).Open(nil, sealed, offset, 0) },
			"other kind": func() ([]byte, error) {
				return keys(1).Object(seal.Index.Header(), id, nil).Open(nil, sealed, offset, 0)
			},
			"other document": func() ([]byte, error) { return keys(1).Object(header, id, []byte{1}).Open(nil, sealed, offset, 0) },
		} {
			if _, err := try(); !errors.Is(err, seal.ErrOpen) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestSignatures(t *testing.T) {
	message := []byte("message")
	signature := keys(1).Sign(message)
	if !keys(1).Verify(message, signature) {
		t.Error("own signature refused")
	}
	if keys(2).Verify(message, signature) || keys(1).Verify([]byte("other"), signature) || keys(1).Verify(message, signature[1:]) || keys(1).Verify(message, nil) {
		t.Error("wrong signature taken")
	}
}

func TestHeaders(t *testing.T) {
	h := seal.Pack.Header()
	newer := append([]byte("HFPACK"), 0, 2)
	for name, c := range map[string]struct {
		data []byte
		want error
	}{"own": {h[:], nil}, "longer": {append(h[:], 1), nil}, "newer": {newer, seal.ErrVersion}, "short": {h[:7], seal.ErrMagic},
		"empty": {nil, seal.ErrMagic}, "other": {append([]byte("HFINDX"), 0, 1), seal.ErrMagic}} {
		if err := seal.Pack.Check(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReaderNeverReadsBeyondItsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		r, taken := seal.NewReader(data), 0
		for range rapid.IntRange(0, 20).Draw(t, "reads") {
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				r.Uint8()
				taken++
			case 1:
				r.Uint32()
				taken += 4
			case 2:
				n := rapid.IntRange(-1, 10).Draw(t, "n")
				r.Bytes(n)
				if taken += n; n < 0 {
					taken = len(data) + 1
				}
			case 3:
				r.Name()
				taken += 32
			case 4:
				if n := r.Count(8); n*8 > len(data) {
					t.Fatalf("%d things of 8 bytes in %d", n, len(data))
				}
				taken += 4
			}
		}
		if ok := r.Err() == nil; ok && taken != len(data) {
			t.Fatalf("took %d of %d", taken, len(data))
		}
	})
}
