package node

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed files
var files embed.FS

// folders of the state directory that must exist before the node starts.
var folders = []string{"etc/cni", "log", "etcd", "containerd", "opt", "kubelet", "podlogs", "cni"}

// WriteFiles renders every configuration file into the state directory.
func (c Config) WriteFiles() error {
	for _, f := range folders {
		if err := os.MkdirAll(filepath.Join(c.Dir, f), 0o755); err != nil {
			return err
		}
	}
	templates, err := template.ParseFS(files, "files/*")
	if err != nil {
		return err
	}
	values := map[string]string{
		"Home":       home,
		"Socket":     runtimeSock,
		"CgroupRoot": "/" + c.CgroupRoot(),
		"NodeName":   c.NodeName(),
		"PodCIDR":    c.Plan.PodCIDR().String(),
	}
	for name, target := range map[string]string{
		"containerd.toml":    "etc/containerd.toml",
		"kubelet.yaml":       "etc/kubelet.yaml",
		"kube-proxy.yaml":    "etc/kube-proxy.yaml",
		"10-bridge.conflist": "etc/cni/10-bridge.conflist",
		"resolv.conf":        "etc/resolv.conf",
	} {
		var out bytes.Buffer
		if err := templates.ExecuteTemplate(&out, name, values); err != nil {
			return fmt.Errorf("render %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(c.Dir, target), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
