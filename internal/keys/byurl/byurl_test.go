package byurl_test

import (
	"path/filepath"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/keys/byurl"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"file://" + dir + "/kek":                                                         "file ",
		"vault-transit://vault:8200/transit/k?token-file=/t":                             "vault-transit transit/k",
		"vault-transit://vault/team/transit/k?role-id=r&secret-id-file=/s&namespace=a/b": "vault-transit team/transit/k",
		"vault-transit://vault/transit/k?kubernetes-role=r&jwt-file=/j&auth-mount=k8s":   "vault-transit transit/k",
		"vault-transit://127.0.0.1:8200/transit/k?token-file=/t&plain=true":              "vault-transit transit/k",
		"": "", "kek": "", "/kek": "", "file://host/kek": "", "file:kek": "", "file://" + dir + "/kek2?x=y": "", "https://vault/transit/k": "",
		"vault-transit://vault/transit/k": "", "vault-transit:///transit/k?token-file=/t": "", "vault-transit://vault/k?token-file=/t": "",
		"vault-transit://vault/transit/k?token-file=/t&token=SECRET": "", "vault-transit://vault/transit/k?token-file=/t&token-file=/u": "",
		"vault-transit://me:SECRET@vault/transit/k?token-file=/t": "", "vault-transit://vault/transit/k?token-file=/t&plain=true": "",
		"vault-transit://vault/transit/?token-file=/t": "", "vault-transit://vault/transit/..?token-file=/t": "", "vault-transit://vault/transit/k?token-file=": "",
	} {
		p, err := byurl.Open(text, true)
		if want == "" {
			if err == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if d := p.Describe(); !strings.HasPrefix(d.Provider+" "+d.Key, want) {
			t.Errorf("%q: %+v", text, d)
		}
	}
}

func TestFileIsMadeOnlyWhenAsked(t *testing.T) {
	text := "file://" + filepath.Join(t.TempDir(), "kek")
	if _, err := byurl.Open(text, false); err == nil {
		t.Error("opened a key file that is not there")
	}
	made, err := byurl.Open(text, true)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := byurl.Open(text, false); err != nil || again.Describe() != made.Describe() {
		t.Errorf("%v", err)
	}
}
