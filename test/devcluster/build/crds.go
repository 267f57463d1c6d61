package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const snapshotClient = "github.com/kubernetes-csi/external-snapshotter/client/v8"

// snapshotCRDs are the definitions the snapshot controller serves here.
var snapshotCRDs = []string{
	"snapshot.storage.k8s.io_volumesnapshotclasses.yaml",
	"snapshot.storage.k8s.io_volumesnapshotcontents.yaml",
	"snapshot.storage.k8s.io_volumesnapshots.yaml",
}

// SnapshotCRDs returns a file with the snapshot definitions, copied out of the
// module the snapshot controller is built from.
func (b Builder) SnapshotCRDs(ctx context.Context) (string, error) {
	key, err := Program{Name: "snapshot-crds", Module: kubernetesModule}.Key(b.Root)
	if err != nil {
		return "", err
	}
	target := filepath.Join(b.Cache, key, "snapshot-crds.yaml")
	if _, err := os.Stat(target); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	text, err := b.readCRDs(ctx)
	if err != nil {
		return "", fmt.Errorf("collect the snapshot definitions: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(target+".new", text, 0o644); err != nil {
		return "", err
	}
	return target, os.Rename(target+".new", target)
}

func (b Builder) readCRDs(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", snapshotClient)
	cmd.Dir = filepath.Join(b.Root, kubernetesModule)
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, name := range snapshotCRDs {
		data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "config", "crd", name))
		if err != nil {
			return nil, err
		}
		text.WriteString("---\n")
		text.Write(data)
	}
	return text.Bytes(), nil
}
