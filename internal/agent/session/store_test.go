package session_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/session"
)

func TestStores(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "identity", Namespace: "holdfast"}}
	secrets := fake.NewClientset(secret).CoreV1().Secrets("holdfast")
	path := filepath.Join(t.TempDir(), "identity")
	stores := map[string]session.Store{
		"secret": session.SecretStore{Secrets: secrets, Name: "identity"},
		"file":   session.FileStore{Path: path},
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			if _, err := store.Load(t.Context()); !errors.Is(err, session.ErrNoIdentity) {
				t.Fatalf("empty store: %v, want ErrNoIdentity", err)
			}
			want := session.Identity{
				Key: []byte("key"), Certificate: []byte("cert"), CA: []byte("ca"), ClusterID: "/c",
				Role: agentv1.RoleConnector, RenewAfter: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), TokenDigest: "d",
			}
			for range 2 { // also over an old one
				if err := store.Save(t.Context(), want); err != nil {
					t.Fatal(err)
				}
			}
			got, err := store.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("identity changed (-want +got):\n%s", diff)
			}
		})
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("identity file: %v %v, want mode 0600", info.Mode(), err)
	}
}

func TestSecretStoreNeedsItsSecret(t *testing.T) {
	store := session.SecretStore{Secrets: fake.NewClientset().CoreV1().Secrets("holdfast"), Name: "identity"}
	if _, err := store.Load(t.Context()); !errors.Is(err, session.ErrNoIdentity) {
		t.Errorf("load: %v", err)
	}
	if err := store.Save(t.Context(), session.Identity{Key: []byte("k")}); err == nil {
		t.Error("saved into a Secret that does not exist")
	}
}
