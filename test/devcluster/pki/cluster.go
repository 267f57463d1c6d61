package pki

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

// Cluster names what the certificates of one cluster must hold.
type Cluster struct {
	Name        string // of the cluster; contexts and users are called so
	Node        string // node name
	NodeAddress string
	APIServer   string // URL written into kubeconfigs
	APIService  string // first service address
}

// Write fills dir with everything the components read. It does nothing when
// admin.kubeconfig, written last, is already there.
func (c Cluster) Write(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "admin.kubeconfig")); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := NewAuthority(dir, "ca")
	if err != nil {
		return err
	}
	if err := c.servers(dir, ca); err != nil {
		return err
	}
	return c.clients(dir, ca)
}

func (c Cluster) servers(dir string, ca *Authority) error {
	front, err := NewAuthority(dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := front.Client("front-proxy-client", "front-proxy-client"); err != nil {
		return err
	}
	if err := ca.Server("apiserver", c.NodeAddress, "127.0.0.1", c.APIService, "localhost", "kubernetes",
		"kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"); err != nil {
		return err
	}
	if err := ca.Server("kubelet-serving", c.NodeAddress, c.Node); err != nil {
		return err
	}
	return SigningKeys(dir, "sa")
}

func (c Cluster) clients(dir string, ca *Authority) error {
	clients := []struct{ file, user, group string }{
		{"apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
		{"kube-proxy", "system:kube-proxy", ""},
		{"kubelet", "system:node:" + c.Node, "system:nodes"},
		{"admin", "kubernetes-admin", "system:masters"},
	}
	for _, x := range clients {
		var groups []string
		if x.group != "" {
			groups = []string{x.group}
		}
		if err := ca.Client(x.file, x.user, groups...); err != nil {
			return err
		}
		if err := c.kubeconfig(dir, x.file); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfig writes FILE.kubeconfig with everything inline, so that it can be
// copied anywhere on the machine.
func (c Cluster) kubeconfig(dir, file string) error {
	var parts [3]string
	for i, name := range []string{"ca.crt", file + ".crt", file + ".key"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		parts[i] = base64.StdEncoding.EncodeToString(data)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: %[1]s
  cluster:
    server: %[2]s
    certificate-authority-data: %[3]s
users:
- name: %[1]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
contexts:
- name: %[1]s
  context: {cluster: %[1]s, user: %[1]s}
current-context: %[1]s
`, c.Name, c.APIServer, parts[0], parts[1], parts[2])
	return os.WriteFile(filepath.Join(dir, file+".kubeconfig"), []byte(text), 0o600)
}
