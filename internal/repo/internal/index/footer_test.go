package index

import (
	"bytes"
	"testing"
)

func FuzzParseFooter(f *testing.F) {
	footer := Footer{Entries: 257, Packs: []Pack{{ID: [16]byte{1}, Size: 5}}, Replaces: [][16]byte{{2}}, fences: []uint64{1, 1}}
	f.Add(footer.append(nil), footer.end())
	f.Add((&Footer{}).append(nil), int64(8))
	f.Add(bytes.Repeat([]byte{0xff}, 40), int64(8))
	f.Fuzz(func(t *testing.T, data []byte, end int64) {
		parsed, err := parseFooter(data, end)
		if err == nil && !bytes.Equal(parsed.append(nil), data) {
			t.Error("not read back")
		}
	})
}
