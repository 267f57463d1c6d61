package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
)

func read(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestArchive(t *testing.T) {
	var first, second bytes.Buffer
	files := []file{{"/usr/bin/x", 0o755, []byte("program")}, {"/usr/share/y", 0o644, []byte("data")}}
	for _, out := range []io.Writer{&first, &second} {
		if err := archive(out, "localhost/x:1", "arm64", "/usr/bin/x", files); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same files give different images")
	}
	parts := read(t, first.Bytes())
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(parts["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	content := parts[manifest[0].Layers[0]]
	var config struct {
		Architecture string
		Rootfs       struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(parts[manifest[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	if config.Architecture != "arm64" || config.Rootfs.DiffIDs[0] != "sha256:"+digest(content) || manifest[0].RepoTags[0] != "localhost/x:1" {
		t.Errorf("config %+v of %+v", config, manifest)
	}
	inside := read(t, content)
	if string(inside["usr/bin/x"]) != "program" || string(inside["usr/share/y"]) != "data" {
		t.Errorf("files %v", inside)
	}
	if _, ok := inside["tmp/"]; !ok {
		t.Error("no /tmp")
	}
}
