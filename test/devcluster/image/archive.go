// Package image assembles container images without a registry: one layer from
// files, directories and Debian packages, written as a docker-archive that
// containerd imports. The same inputs give the same bytes.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// Config is what an image says about how to run it.
type Config struct {
	Tag        string   // like localhost/app:1
	Entrypoint []string // may be empty
	Cmd        []string
	Env        []string // NAME=value
	WorkDir    string
	User       string // name or number
}

// WriteArchive writes a docker-archive to path, whose only layer is the tar
// file at layerPath.
func WriteArchive(path, layerPath string, c Config) error {
	layerID, err := hashFile(layerPath)
	if err != nil {
		return err
	}
	config, err := c.document(layerID)
	if err != nil {
		return err
	}
	configName := sum(config) + ".json"
	manifest, err := json.Marshal([]map[string]any{{
		"Config": configName, "RepoTags": []string{c.Tag}, "Layers": []string{layerID + ".tar"},
	}})
	if err != nil {
		return err
	}
	temporary := path + ".new"
	if err := writeTar(temporary, layerPath, layerID, map[string][]byte{"manifest.json": manifest, configName: config}); err != nil {
		os.Remove(temporary)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(temporary, path)
}

func (c Config) document(layerID string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config": map[string]any{
			"Entrypoint": c.Entrypoint, "Cmd": c.Cmd, "Env": c.Env, "WorkingDir": c.WorkDir, "User": c.User,
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layerID}},
	})
}

func writeTar(path, layerPath, layerID string, documents map[string][]byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(out)
	for _, name := range sortedKeys(documents) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(documents[name]))}); err != nil {
			return err
		}
		if _, err := w.Write(documents[name]); err != nil {
			return err
		}
	}
	if err := addFile(w, layerPath, &tar.Header{Name: layerID + ".tar", Mode: 0o644}); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Close()
}

// addFile copies the file at path into w under header, whose size it sets.
func addFile(w *tar.Writer, path string, header *tar.Header) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
