package repo_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/repo/internal/frame"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// The vectors are written once. A changed format gets new files beside them,
// under its own version; those of older versions stay.
var update = flag.Bool("update", false, "write those vectors of spec/vectors that are missing")

var (
	vectorKey  = repo.Key([]byte("an example key, 32 bytes long..."))
	vectorRepo = mustID(repositoryID)
	vectorKeys = seal.Derive(vectorKey, vectorRepo)
	vectorID   = mustID("0f0e0d0c0b0a09080706050403020100")
)

func mustID(s string) layout.ID {
	id, err := layout.ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

func TestUpdateVectors(t *testing.T) {
	if !*update {
		return
	}
	g := generator{t}
	g.identities()
	g.packs()
	g.indexes()
	g.manifests()
	g.frames()
	g.pages()
	g.stores()
	g.documents()
	g.merged()
}

// documents are those that are not manifests.
func (g generator) documents() {
	for kind, of := range map[string]struct {
		magic   seal.Magic
		prefix  string
		content string
	}{
		"announcement": {seal.Writer, layout.Writers, `{"version":1,"id":"` + vectorID.String() + `"}`},
		"condemnation": {seal.Condemned, layout.Condemneds, `{"version":1,"packs":["` + point(1) + `","` + point(2) + `"]}`},
	} {
		valid, err := manifest.EncodeDocument(vectorKeys, of.magic, vectorRepo, vectorID, [16]byte{4, 5}, []byte(of.content))
		if err != nil {
			g.t.Fatal(err)
		}
		name := of.prefix + vectorID.String()
		for file, v := range map[string]vector{
			"":           {Description: "a valid " + kind, Name: name, Data: valid},
			"-version":   {Description: "header of a version that is not known", Name: name, Data: flip(valid, 7)},
			"-renamed":   {Description: "under another name", Name: of.prefix + vectorRepo.String(), Data: valid},
			"-signature": {Description: "a bit of the signature changed", Name: name, Data: flip(valid, -1)},
			"-cut":       {Description: "last byte lost", Name: name, Data: valid[:len(valid)-1]},
		} {
			v.Kind = kind
			g.write(kind+file, v)
		}
	}
}

// merged is a repository whose garbage was collected, with what stays behind
// when that stops at certain places.
func (g generator) merged() {
	store := &objstoretest.Memory{}
	if err := repo.Create(g.t.Context(), store, vectorKey, repo.CreateOptions{ID: repositoryID}); err != nil {
		g.t.Fatal(err)
	}
	r, err := repo.Open(g.t.Context(), store, vectorKey)
	if err != nil {
		g.t.Fatal(err)
	}
	for n := range 3 {
		if _, err := backup(g.t.Context(), r, point(n), records(400, 20)[:80+n*160]); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := r.DeleteManifest(g.t.Context(), point(1)); err != nil {
		g.t.Fatal(err)
	}
	for file, stop := range map[string]string{"store-collected": "", "store-condemned": "put indexes/", "store-replaced": "delete indexes/", "store-stale": "delete condemned/"} {
		copied := store.Clone()
		stopped := objstoretest.Faulty(copied, func(c objstoretest.Call) objstoretest.Fault {
			if stop != "" && strings.HasPrefix(c.Op+" "+c.Name, stop) {
				return objstoretest.Fault{Before: errCrash}
			}
			return objstoretest.Fault{}
		})
		collector, err := repo.Open(g.t.Context(), stopped, vectorKey)
		if err != nil {
			g.t.Fatal(err)
		}
		if _, err := collector.CollectGarbage(g.t.Context(), repo.GCOptions{Live: 0.99}); (err == nil) != (stop == "") {
			g.t.Fatal(err)
		}
		objects := map[string][]byte{}
		for _, name := range copied.Names("") {
			objects[name] = copied.Bytes(name)
		}
		g.write(file, vector{Description: "garbage was collected; stopped before: " + stop, Kind: "store", Objects: objects})
	}
}

type generator struct{ t *testing.T }

// write writes a vector, taking what a valid one must contain from the reader.
func (g generator) write(file string, v vector) {
	path := filepath.Join(vectors, "v1-"+file+".json")
	if _, err := os.Stat(path); err == nil {
		return
	}
	if v.Kind != "frame" && v.Params == nil {
		v.Key, v.Repository = hex.EncodeToString(vectorKey[:]), repositoryID
	}
	content, err := decodeVector(g.t, v)
	if v.Expect = outcome(err); err == nil {
		v.Content = content
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		g.t.Fatal(err)
	}
	g.t.Logf("%s: %s", path, v.Expect)
}

func flip(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[(at+len(out))%len(out)] ^= 1
	return out
}

func (g generator) identities() {
	store := &objstoretest.Memory{}
	if err := repo.Create(g.t.Context(), store, vectorKey, repo.CreateOptions{ID: repositoryID}); err != nil {
		g.t.Fatal(err)
	}
	valid := store.Bytes(layout.Repository)
	other := &objstoretest.Memory{}
	if err := repo.Create(g.t.Context(), other, testKey, repo.CreateOptions{ID: repositoryID}); err != nil {
		g.t.Fatal(err)
	}
	for file, v := range map[string]vector{
		"repository":           {Description: "a repository object", Data: valid},
		"repository-version":   {Description: "of a version that is not known", Data: bytes.Replace(valid, []byte(`"version":1`), []byte(`"version":99`), 1)},
		"repository-wrong-key": {Description: "of another data key", Data: other.Bytes(layout.Repository)},
		"repository-other":     {Description: "JSON of something else", Data: []byte(`{"format":"other","version":1}`)},
		"repository-signature": {Description: "signature changed", Data: bytes.Replace(valid, []byte(`"signature":"`), []byte(`"signature":"0`), 1)},
		"repository-spaces":    {Description: "not the exact bytes", Data: append([]byte(" "), valid...)},
	} {
		v.Kind, v.Name = "repository", layout.Repository
		g.write(file, v)
	}
	g.write("derive", vector{Description: "what follows from a key; name is of data", Kind: "derive", Data: []byte("content of a block")})
}

func (g generator) packs() {
	codec, err := frame.NewCodec()
	if err != nil {
		g.t.Fatal(err)
	}
	build := func(name func([]byte) seal.Name) []byte {
		b := pack.NewBuilder(vectorKeys, vectorID, make([]byte, 0, 4096))
		for _, blocks := range [][]string{{"one", "two"}, {strings.Repeat("compressible ", 20)}} {
			var list []pack.Block
			for _, block := range blocks {
				list = append(list, pack.Block{Name: name([]byte(block)), Length: uint32(len(block))})
			}
			plain, err := codec.Encode(nil, []byte(strings.Join(blocks, "")))
			if err != nil {
				g.t.Fatal(err)
			}
			slot, _ := b.Reserve(len(plain), list)
			slot.Seal(plain)
		}
		data, _ := b.Finish()
		return data
	}
	valid := build(vectorKeys.Name)
	lying := build(func(b []byte) seal.Name { return vectorKeys.Name(append(b, 'x')) })
	name := layout.Pack(vectorID)
	renamed := layout.Pack(vectorRepo)
	for file, v := range map[string]vector{
		"pack":           {Description: "two frames of two blocks and one, the second compressed", Name: name, Data: valid},
		"pack-version":   {Description: "of a version that is not known", Name: name, Data: flip(valid, 7)},
		"pack-magic":     {Description: "magic changed", Name: name, Data: flip(valid, 0)},
		"pack-frame":     {Description: "a bit of the first frame changed", Name: name, Data: flip(valid, 10)},
		"pack-footer":    {Description: "a bit of the footer changed", Name: name, Data: flip(valid, -10)},
		"pack-trailer":   {Description: "length of the footer changed", Name: name, Data: flip(valid, -1)},
		"pack-cut":       {Description: "last byte lost", Name: name, Data: valid[:len(valid)-1]},
		"pack-renamed":   {Description: "a valid pack under another name", Name: renamed, Data: valid},
		"pack-names":     {Description: "names are not those of the blocks", Name: name, Data: lying},
		"pack-wrong-fan": {Description: "name with wrong first digits", Name: "packs/aa/" + vectorID.String(), Data: valid},
	} {
		v.Kind = "pack"
		g.write(file, v)
	}
}

func (g generator) indexes() {
	var out bytes.Buffer
	w, err := index.NewWriter(&out, index.Cipher(vectorKeys, vectorID), [][16]byte{vectorRepo})
	if err != nil {
		g.t.Fatal(err)
	}
	for i := range 260 { // two pages
		e := index.Entry{Name: seal.Name{1, byte(i >> 8), byte(i)}, Place: index.Place{Pack: vectorRepo, Offset: 8, Sealed: 100, Start: uint32(i), Length: 1}}
		if err := w.Add(e); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		g.t.Fatal(err)
	}
	valid, name := out.Bytes(), layout.Index(vectorID)
	for file, v := range map[string]vector{
		"index":         {Description: "260 entries in two pages", Name: name, Data: valid},
		"index-version": {Description: "of a version that is not known", Name: name, Data: flip(valid, 7)},
		"index-page":    {Description: "a bit of the second page changed", Name: name, Data: flip(valid, 8+256*52+16+3)},
		"index-footer":  {Description: "a bit of the footer changed", Name: name, Data: flip(valid, -10)},
		"index-cut":     {Description: "last byte lost", Name: name, Data: valid[:len(valid)-1]},
		"index-renamed": {Description: "a valid segment under another name", Name: layout.Index(vectorRepo), Data: valid},
	} {
		v.Kind = "index"
		g.write(file, v)
	}
}

func (g generator) manifests() {
	encode := func(change func(*repo.Manifest)) []byte {
		m := repo.Manifest{ID: vectorID.String(), Instance: "example", Facts: map[string]string{"b": "2", "a": "1"},
			Streams: []repo.StreamRef{{Name: "objects", Type: repo.TypeArchive}, {Name: "volumes/a", Type: repo.TypeVolume, Length: 1 << 20, BlockSize: 65536, Levels: 1}}}
		m.Seal()
		change(&m)
		content, err := m.Encode()
		if err != nil {
			g.t.Fatal(err)
		}
		data, err := manifest.EncodeDocument(vectorKeys, seal.Manifest, vectorRepo, vectorID, [16]byte{1, 2, 3}, content)
		if err != nil {
			g.t.Fatal(err)
		}
		return data
	}
	valid, name := encode(func(*repo.Manifest) {}), layout.Manifest(vectorID)
	for file, v := range map[string]vector{
		"manifest":              {Description: "two streams", Name: name, Data: valid},
		"manifest-void":         {Description: "void: no recovery point", Name: name, Data: encode(func(m *repo.Manifest) { *m = repo.Manifest{ID: m.ID, Void: true}; m.Seal() })},
		"manifest-header":       {Description: "header of a version that is not known", Name: name, Data: flip(valid, 7)},
		"manifest-version":      {Description: "content of a version that is not known", Name: name, Data: encode(func(m *repo.Manifest) { m.Version = 99 })},
		"manifest-salt":         {Description: "a bit of the salt changed", Name: name, Data: flip(valid, 9)},
		"manifest-signature":    {Description: "a bit of the signature changed", Name: name, Data: flip(valid, -1)},
		"manifest-renamed":      {Description: "a valid manifest under another name", Name: layout.Manifest(vectorRepo), Data: valid},
		"manifest-root":         {Description: "root does not match the streams", Name: name, Data: encode(func(m *repo.Manifest) { m.Streams[1].Length++ })},
		"manifest-stream-order": {Description: "streams out of order", Name: name, Data: encode(func(m *repo.Manifest) { m.Streams[0], m.Streams[1] = m.Streams[1], m.Streams[0] })},
	} {
		v.Kind = "manifest"
		g.write(file, v)
	}
}

func (g generator) frames() {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		g.t.Fatal(err)
	}
	text := []byte(strings.Repeat("frame ", 30))
	head := func(method byte, size int) []byte {
		return binary.BigEndian.AppendUint32([]byte{method}, uint32(size))
	}
	compressed := enc.EncodeAll(text, nil)
	for file, v := range map[string]vector{
		"frame-raw":    {Description: "method 0", Data: append(head(0, 5), "plain"...)},
		"frame-zstd":   {Description: "method 1", Data: append(head(1, len(text)), compressed...)},
		"frame-method": {Description: "a method there is not", Data: append(head(2, 5), "plain"...)},
		"frame-length": {Description: "content shorter than announced", Data: append(head(1, len(text)+1), compressed...)},
		"frame-bomb":   {Description: "17 MiB of zeros", Data: append(head(1, 17<<20), enc.EncodeAll(make([]byte, 17<<20), nil)...)},
		"frame-hidden": {Description: "more content than announced", Data: append(head(1, 5), compressed...)},
	} {
		v.Kind = "frame"
		g.write(file, v)
	}
}

func (g generator) pages() {
	volume := page.AppendVolume(nil, 0, []seal.Name{{1}, {}, {3}})
	entries := []page.Entry{{Name: seal.Name{1}, Records: 2, Bytes: 10, Last: "b"}, {Name: seal.Name{2}, Records: 1, Bytes: 5, Last: "c"}}
	archive := page.AppendArchive(nil, 0, entries)
	swapped := page.AppendArchive(nil, 0, []page.Entry{entries[1], entries[0]})
	group := page.AppendRecord(page.AppendRecord(nil, "a", []byte("1")), "b", []byte("22"))
	disorder := page.AppendRecord(page.AppendRecord(nil, "b", []byte("22")), "a", []byte("1"))
	sum, of := &params{Records: 3, Bytes: 15, Last: "c"}, &params{Records: 2, Bytes: 3, Last: "b"}
	for file, v := range map[string]vector{
		"volume-page":          {Kind: "volume page", Description: "a block, a hole, a block", Params: &params{Children: 3}, Data: volume},
		"volume-page-level":    {Kind: "volume page", Description: "of another level", Params: &params{Level: 1, Children: 3}, Data: volume},
		"volume-page-children": {Kind: "volume page", Description: "fewer children than the volume has there", Params: &params{Children: 4}, Data: volume},
		"volume-page-cut":      {Kind: "volume page", Description: "cut", Params: &params{Children: 3}, Data: volume[:len(volume)-1]},
		"archive-page":         {Kind: "archive page", Description: "two groups", Params: sum, Data: archive},
		"archive-page-order":   {Kind: "archive page", Description: "keys out of order", Params: sum, Data: swapped},
		"archive-page-sum":     {Kind: "archive page", Description: "not what its entry says", Params: &params{Records: 4, Bytes: 15, Last: "c"}, Data: archive},
		"archive-page-kind":    {Kind: "archive page", Description: "a page of a volume", Params: sum, Data: volume},
		"group":                {Kind: "group", Description: "two records", Params: of, Data: group},
		"group-order":          {Kind: "group", Description: "keys out of order", Params: of, Data: disorder},
		"group-before":         {Kind: "group", Description: "a key that belongs to the group before", Params: &params{Records: 2, Bytes: 3, Last: "b", Before: "a"}, Data: group},
		"group-cut":            {Kind: "group", Description: "cut", Params: of, Data: group[:len(group)-1]},
	} {
		g.write(file, v)
	}
}

func (g generator) stores() {
	store := &objstoretest.Memory{}
	if err := repo.Create(g.t.Context(), store, vectorKey, repo.CreateOptions{ID: repositoryID}); err != nil {
		g.t.Fatal(err)
	}
	r, err := repo.Open(g.t.Context(), store, vectorKey)
	if err != nil {
		g.t.Fatal(err)
	}
	for n := range 2 {
		w := newWriter(g.t, r, point(n))
		m, err := writeStreams(w, records(70+n, 40))
		if err != nil {
			g.t.Fatal(err)
		}
		if err := w.Commit(g.t.Context(), m); err != nil {
			g.t.Fatal(err)
		}
	}
	objects := map[string][]byte{}
	for _, name := range store.Names("") {
		objects[name] = store.Bytes(name)
	}
	g.write("store", vector{Description: "a repository with two recovery points that share blocks", Kind: "store", Objects: objects})
	for file, prefix := range map[string]string{"store-pack-lost": layout.Packs, "store-index-lost": layout.Indexes} {
		lost := map[string][]byte{}
		for name, data := range objects {
			lost[name] = data
		}
		delete(lost, store.Names(prefix)[0])
		g.write(file, vector{Description: fmt.Sprintf("one of %s is lost", prefix), Kind: "store", Objects: lost})
	}
}
