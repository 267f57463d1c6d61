package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// entries reads a tar file: content by name, links as "-> target".
func entries(t *testing.T, data []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	in := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := in.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[h.Name]; twice {
			t.Fatalf("%s is there twice", h.Name)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if all[h.Name] = string(content); h.Typeflag == tar.TypeSymlink {
			all[h.Name] = "-> " + h.Linkname
		}
	}
}

func recipe(t *testing.T) Recipe {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tree", "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"program": "#!/bin/true", "tree/a": "A", "tree/deep/b": "B"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Recipe{
		Config:   Config{Tag: "localhost/test:1", Entrypoint: []string{"/usr/bin/program"}, User: "app"},
		Files:    []string{dir + "/program:/usr/bin/program", dir + "/tree:/srv"},
		Accounts: []Account{{Name: "app", ID: 1000, Home: "/home/app"}},
		Folders:  []string{"/data:1000:700"},
	}
}

func TestArchiveIsConsistent(t *testing.T) {
	path, err := recipe(t).Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := entries(t, data)
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal([]byte(archive["manifest.json"]), &manifest); err != nil {
		t.Fatal(err)
	}
	m := manifest[0]
	if !slices.Equal(m.RepoTags, []string{"localhost/test:1"}) || len(m.Layers) != 1 {
		t.Fatalf("manifest %+v", m)
	}
	var config struct {
		Config struct {
			Entrypoint []string
			User       string
		} `json:"config"`
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal([]byte(archive[m.Config]), &config); err != nil {
		t.Fatal(err)
	}
	layer := archive[m.Layers[0]]
	if config.RootFS.DiffIDs[0] != "sha256:"+sum([]byte(layer)) || config.Config.User != "app" {
		t.Fatalf("config %+v", config)
	}
	files := entries(t, []byte(layer))
	if files["usr/bin/program"] != "#!/bin/true" || files["srv/deep/b"] != "B" {
		t.Fatalf("files %v", files)
	}
	if !strings.Contains(files["etc/passwd"], "app:x:1000:1000::/home/app:") {
		t.Fatalf("passwd %q", files["etc/passwd"])
	}
}

func TestSameRecipeSameBytes(t *testing.T) {
	r := recipe(t)
	var archives [][]byte
	for range 2 {
		path, err := r.Make(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, data)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Fatal("the archives differ")
	}
}

func TestChangedFileMakesANewImage(t *testing.T) {
	r, cache := recipe(t), t.TempDir()
	first, err := r.Make(cache)
	if err != nil {
		t.Fatal(err)
	}
	source, _, _ := splitPair(r.Files[0])
	if err := os.WriteFile(source, []byte("other"), 0o755); err != nil {
		t.Fatal(err)
	}
	if second, err := r.Make(cache); err != nil || second == first {
		t.Fatalf("got %s, %v", second, err)
	}
}

// TestMergedUsr feeds paths as packages ship them, old style.
func TestMergedUsr(t *testing.T) {
	var deb bytes.Buffer
	w := tar.NewWriter(&deb)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "./bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./bin/sh", Mode: 0o755, Size: 2},
		{Typeflag: tar.TypeLink, Name: "./usr/bin/again", Linkname: "./bin/sh"},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/x/copyright", Mode: 0o644, Size: 2},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			w.Write([]byte("sh"))
		}
	}
	w.Close()
	var out bytes.Buffer
	layer, err := NewLayer(&out, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := layer.Merge(&deb); err != nil {
		t.Fatal(err)
	}
	if err := layer.Close(); err != nil {
		t.Fatal(err)
	}
	files := entries(t, out.Bytes())
	if files["bin"] != "-> usr/bin" || files["usr/bin/sh"] != "sh" {
		t.Fatalf("files %v", files)
	}
	if _, ok := files["usr/bin/again"]; !ok {
		t.Fatalf("the hard link is missing: %v", files)
	}
	for name := range files {
		if strings.Contains(name, "copyright") {
			t.Errorf("documentation was kept: %s", name)
		}
	}
}

func TestBadInputIsRefused(t *testing.T) {
	for _, text := range []string{"", "name", "name:x", "name:0", ":5"} {
		if _, err := ParseAccount(text); err == nil {
			t.Errorf("account %q was accepted", text)
		}
	}
	for _, text := range []string{"", "x", "x:relative", ":/x"} {
		if _, _, err := splitPair(text); err == nil {
			t.Errorf("file %q was accepted", text)
		}
	}
	if _, err := (Recipe{}).Make(t.TempDir()); err == nil {
		t.Error("an image without a tag was accepted")
	}
}
