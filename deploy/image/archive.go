package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// file is one file of the image's single layer.
type file struct {
	name string // absolute
	mode int64
	data []byte
}

// layer packs files, and the folders they need, into a tar. Times are fixed so
// that the same files give the same image.
func layer(files []file) ([]byte, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	made := map[string]bool{"/": true}
	for _, f := range files {
		if err := folders(w, path.Dir(f.name), made); err != nil {
			return nil, err
		}
		header := &tar.Header{Name: strings.TrimPrefix(f.name, "/"), Mode: f.mode, Size: int64(len(f.data)), ModTime: epoch}
		if err := add(w, header, f.data); err != nil {
			return nil, err
		}
	}
	if err := folder(w, "/tmp", 0o1777, made); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("close layer: %w", err)
	}
	return buffer.Bytes(), nil
}

var epoch = time.Unix(0, 0)

func folders(w *tar.Writer, name string, made map[string]bool) error {
	if made[name] {
		return nil
	}
	if err := folders(w, path.Dir(name), made); err != nil {
		return err
	}
	return folder(w, name, 0o755, made)
}

func folder(w *tar.Writer, name string, mode int64, made map[string]bool) error {
	made[name] = true
	header := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(name, "/") + "/", Mode: mode, ModTime: epoch}
	return add(w, header, nil)
}

func add(w *tar.Writer, header *tar.Header, data []byte) error {
	if err := w.WriteHeader(header); err != nil {
		return fmt.Errorf("write %s: %w", header.Name, err)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", header.Name, err)
	}
	return nil
}

// archive writes a docker archive with one layer, as "docker load" and "ctr
// images import" read it.
func archive(out io.Writer, tag, architecture, entrypoint string, files []file) error {
	content, err := layer(files)
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": architecture, "os": "linux", "created": epoch.UTC().Format(time.RFC3339),
		"config": map[string]any{
			"Entrypoint": []string{entrypoint}, "User": "65532:65532", "WorkingDir": "/",
			"Env": []string{"PATH=/usr/bin", "SSL_CERT_FILE=" + certificates},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(content)}},
	})
	if err != nil {
		return fmt.Errorf("encode image config: %w", err)
	}
	configName, layerName := digest(config)+".json", digest(content)+"/layer.tar"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{tag}, "Layers": []string{layerName}}})
	if err != nil {
		return fmt.Errorf("encode image manifest: %w", err)
	}
	w := tar.NewWriter(out)
	for _, part := range []file{{configName, 0o644, config}, {layerName, 0o644, content}, {"manifest.json", 0o644, manifest}} {
		header := &tar.Header{Name: part.name, Mode: part.mode, Size: int64(len(part.data)), ModTime: epoch}
		if err := add(w, header, part.data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("close archive: %w", err)
	}
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
