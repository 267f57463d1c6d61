package repo_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

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

const vectors = "../../spec/vectors"

// vector is one file of spec/vectors; see section 14 of the specification.
type vector struct {
	Description string            `json:"description"`
	Kind        string            `json:"kind"`
	Key         string            `json:"key,omitempty"`
	Repository  string            `json:"repository,omitempty"`
	Name        string            `json:"name,omitempty"`
	Params      *params           `json:"params,omitempty"`
	Data        []byte            `json:"data,omitempty"`
	Objects     map[string][]byte `json:"objects,omitempty"`
	Expect      string            `json:"expect"`
	Content     any               `json:"content,omitempty"`
}

// params are what a reader of a page or group knows from its parent.
type params struct {
	Level    int    `json:"level"`
	Children int    `json:"children,omitempty"`
	Records  uint64 `json:"records,omitempty"`
	Bytes    uint64 `json:"bytes,omitempty"`
	Last     string `json:"last,omitempty"`
	Before   string `json:"before,omitempty"`
}

func (p *params) entry() page.Entry {
	return page.Entry{Records: p.Records, Bytes: p.Bytes, Last: p.Last}
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors, "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d vectors, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { checkVector(t, file) })
	}
}

func checkVector(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	content, err := decodeVector(t, v)
	if got := outcome(err); got != v.Expect {
		t.Fatalf("%s: %s (%v), want %s", v.Description, got, err, v.Expect)
	}
	if err == nil && !reflect.DeepEqual(plain(t, content), v.Content) {
		t.Errorf("%s: content is %v\nwant %v", v.Description, plain(t, content), v.Content)
	}
}

// plain brings a value into the form that JSON is read as.
func plain(t *testing.T, value any) (out any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, repo.ErrVersion):
		return "version"
	case errors.Is(err, repo.ErrWrongKey):
		return "wrong key"
	case errors.Is(err, repo.ErrNoRepository):
		return "no repository"
	}
	return "damaged"
}

func decodeVector(t *testing.T, v vector) (any, error) {
	key, keys, repository := keysOf(t, v)
	switch v.Kind {
	case "repository":
		store := &objstoretest.Memory{}
		store.Overwrite(v.Name, v.Data)
		r, err := repo.Open(t.Context(), store, key)
		if err != nil {
			return nil, err
		}
		return map[string]string{"id": r.ID()}, nil
	case "derive":
		id, name := keys.KeyID(), keys.Name(v.Data)
		return map[string]string{"keyId": hex.EncodeToString(id[:]), "publicKey": hex.EncodeToString(keys.Public()), "name": hex.EncodeToString(name[:])}, nil
	case "pack":
		return decodePack(v, keys)
	case "index":
		return decodeIndex(v, keys)
	case "manifest":
		id, err := layout.Parse(layout.Manifests, v.Name)
		if err != nil {
			return nil, err
		}
		content, err := manifest.DecodeDocument(keys, seal.Manifest, repository, id, v.Data)
		if err != nil {
			return nil, err
		}
		return manifest.Decode(content, id)
	case "announcement", "condemnation":
		return decodeDocument(v, keys, repository)
	case "store":
		return decodeStore(t, v, key)
	}
	return decodePlain(v)
}

// decodeDocument returns the JSON of a document that is not a manifest.
func decodeDocument(v vector, keys *seal.Keys, repository layout.ID) (content any, err error) {
	prefix, magic := layout.Writers, seal.Writer
	if v.Kind == "condemnation" {
		prefix, magic = layout.Condemneds, seal.Condemned
	}
	id, err := layout.Parse(prefix, v.Name)
	if err != nil {
		return nil, err
	}
	data, err := manifest.DecodeDocument(keys, magic, repository, id, v.Data)
	if err == nil {
		err = json.Unmarshal(data, &content)
	}
	return content, err
}

func keysOf(t *testing.T, v vector) (repo.Key, *seal.Keys, layout.ID) {
	t.Helper()
	if v.Key == "" {
		return repo.Key{}, nil, layout.ID{}
	}
	raw, err := hex.DecodeString(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := repo.ParseKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	repository, err := layout.ParseID(v.Repository)
	if err != nil {
		t.Fatal(err)
	}
	return key, seal.Derive(key, repository), repository
}

// decodePlain reads the kinds that are not sealed.
func decodePlain(v vector) (any, error) {
	switch v.Kind {
	case "frame":
		codec, err := frame.NewCodec()
		if err != nil {
			return nil, err
		}
		defer codec.Close()
		return codec.Decode(nil, v.Data)
	case "volume page":
		names, err := page.ParseVolume(v.Data, v.Params.Level, v.Params.Children)
		return hexNames(names), err
	case "archive page":
		entries, err := page.ParseArchive(v.Data, v.Params.Level, v.Params.entry(), v.Params.Before)
		var out []params
		for _, e := range entries {
			out = append(out, params{Records: e.Records, Bytes: e.Bytes, Last: e.Last})
		}
		return out, err
	case "group":
		records, err := page.ParseGroup(v.Data, v.Params.entry(), v.Params.Before)
		return texts(records), err
	}
	return nil, fmt.Errorf("kind %q", v.Kind)
}

func hexNames(names []seal.Name) (out []string) {
	for _, n := range names {
		out = append(out, hex.EncodeToString(n[:]))
	}
	return out
}

func texts(records []page.Record) (out [][2]string) {
	for _, r := range records {
		out = append(out, [2]string{r.Key, string(r.Value)})
	}
	return out
}

// decodePack returns the blocks in a pack.
func decodePack(v vector, keys *seal.Keys) (any, error) {
	id, err := layout.ParsePack(v.Name)
	if err != nil {
		return nil, err
	}
	frames, err := pack.ReadFooter(bytes.NewReader(v.Data), int64(len(v.Data)), keys, id)
	if err != nil {
		return nil, err
	}
	codec, err := frame.NewCodec()
	if err != nil {
		return nil, err
	}
	defer codec.Close()
	var blocks []string
	for _, f := range frames {
		plain, err := pack.Cipher(keys, id).Open(nil, v.Data[f.Offset:f.Offset+f.Length], int64(f.Offset), seal.RoleBody)
		if err != nil {
			return nil, err
		}
		content, err := codec.Decode(nil, plain)
		if err != nil {
			return nil, err
		}
		for _, b := range f.Blocks {
			if int(b.Length) > len(content) || keys.Name(content[:b.Length]) != b.Name {
				return nil, errors.New("a block is not what its name says")
			}
			blocks = append(blocks, string(content[:b.Length]))
			content = content[b.Length:]
		}
	}
	return blocks, nil
}

// decodeIndex returns where blocks are, by name, after looking each one up.
func decodeIndex(v vector, keys *seal.Keys) (any, error) {
	id, err := layout.Parse(layout.Indexes, v.Name)
	if err != nil {
		return nil, err
	}
	s, err := index.Open(bytes.NewReader(v.Data), int64(len(v.Data)), index.Cipher(keys, id))
	if err != nil {
		return nil, err
	}
	out := map[string][]any{}
	for e, err := range s.All() {
		if err != nil {
			return nil, err
		}
		found, ok, err := s.Find(e.Name)
		if err != nil || !ok || found != e.Place {
			return nil, fmt.Errorf("looked up %+v, %v, %w", found, ok, err)
		}
		p := e.Place
		out[hex.EncodeToString(e.Name[:])] = []any{layout.ID(p.Pack).String(), p.Offset, p.Sealed, p.Start, p.Length}
	}
	return out, nil
}

// decodeStore verifies the recovery points of a whole repository, and returns
// the records of their archives and a sum of their volumes.
func decodeStore(t *testing.T, v vector, key repo.Key) (any, error) {
	store := &objstoretest.Memory{}
	for name, data := range v.Objects {
		store.Overwrite(name, data)
	}
	r, err := repo.Open(t.Context(), store, key)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for info, err := range r.Manifests(t.Context()) {
		if err == nil {
			err = r.Verify(t.Context(), info.ID)
		}
		if err != nil {
			return nil, err
		}
		m, err := r.Manifest(t.Context(), info.ID)
		if err != nil {
			return nil, err
		}
		for _, ref := range m.Streams {
			if out[info.ID+" "+ref.Name], err = sumStream(t, r, ref); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func sumStream(t *testing.T, r *repo.Repository, ref repo.StreamRef) (any, error) {
	if ref.Type == repo.TypeArchive {
		a, err := r.Archive(t.Context(), ref)
		if err != nil {
			return nil, err
		}
		var all []repo.Record
		for record, err := range a.All(t.Context()) {
			if err != nil {
				return nil, err
			}
			all = append(all, record)
		}
		return texts(slices.Clone(all)), nil
	}
	v, err := r.Volume(t.Context(), ref)
	if err != nil {
		return nil, err
	}
	blocks := map[int64]string{}
	for b, err := range v.Blocks(t.Context()) {
		if err != nil {
			return nil, err
		}
		blocks[b.Index] = fmt.Sprintf("%d bytes, first %d, last %d", len(b.Data), b.Data[0], b.Data[len(b.Data)-1])
	}
	return blocks, nil
}
