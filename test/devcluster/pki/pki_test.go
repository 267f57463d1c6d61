package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func written(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	c := Cluster{Name: "dev", Node: "dev-node", NodeAddress: "10.89.0.2", APIServer: "https://10.89.0.2:6443", APIService: "10.96.0.1"}
	if err := c.Write(dir); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(dir); err != nil { // the second time changes nothing
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "ca.crt")); string(after) != string(before) {
		t.Fatal("writing again made a new authority")
	}
	return dir
}

func parse(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name+".crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestServersAreTrustedUnderEveryName(t *testing.T) {
	dir := written(t)
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, dir, "ca"))
	for name, hosts := range map[string][]string{
		"apiserver":       {"10.89.0.2", "127.0.0.1", "10.96.0.1", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		"kubelet-serving": {"10.89.0.2", "dev-node"},
	} {
		for _, host := range hosts {
			if _, err := parse(t, dir, name).Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); err != nil {
				t.Errorf("%s as %s: %v", name, host, err)
			}
		}
	}
}

func TestClientsAreWhoTheyMustBe(t *testing.T) {
	dir := written(t)
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, dir, "ca"))
	for name, want := range map[string][2]string{
		"admin":              {"kubernetes-admin", "system:masters"},
		"kubelet":            {"system:node:dev-node", "system:nodes"},
		"scheduler":          {"system:kube-scheduler", ""},
		"controller-manager": {"system:kube-controller-manager", ""},
	} {
		cert := parse(t, dir, name)
		group := ""
		if len(cert.Subject.Organization) > 0 {
			group = cert.Subject.Organization[0]
		}
		if cert.Subject.CommonName != want[0] || group != want[1] {
			t.Errorf("%s is %q in %q", name, cert.Subject.CommonName, group)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKubeconfigHoldsAMatchingPair(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(written(t), "admin.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	part := func(key string) []byte {
		found := regexp.MustCompile(key + `: (\S+)`).FindSubmatch(text)
		if found == nil {
			t.Fatalf("no %s in %s", key, text)
		}
		data, err := base64.StdEncoding.DecodeString(string(found[1]))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if _, err := tls.X509KeyPair(part("client-certificate-data"), part("client-key-data")); err != nil {
		t.Fatal(err)
	}
}
