package transit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"holdfast.dev/holdfast/internal/keys"
)

// Auth says how to sign in, in one of three ways. Secrets are in files, which
// are read each time: whoever replaces one needs no restart.
type Auth struct {
	TokenFile string // of a token, such as an agent of Vault keeps fresh

	RoleID, SecretIDFile string // AppRole

	Role    string // Kubernetes
	JWTFile string // Kubernetes: the service account's token; empty for the pod's own

	Mount string // of the method; empty for approle or kubernetes
}

// podToken is where Kubernetes puts the token of a pod's service account.
const podToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path

func (a Auth) check() error {
	ways := 0
	for _, way := range []bool{a.TokenFile != "", a.RoleID != "" && a.SecretIDFile != "", a.Role != ""} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("transit: give one way to sign in to Vault: a token file, a role id with a secret id file, or a role of Kubernetes")
	}
	return nil
}

// signIn returns a token.
func (c *client) signIn(ctx context.Context) (string, error) {
	a := c.auth
	switch {
	case a.TokenFile != "":
		return secret(a.TokenFile)
	case a.RoleID != "":
		id, err := secret(a.SecretIDFile)
		if err != nil {
			return "", err
		}
		return c.login(ctx, or(a.Mount, "approle"), map[string]string{"role_id": a.RoleID, "secret_id": id})
	default:
		jwt, err := secret(or(a.JWTFile, podToken))
		if err != nil {
			return "", err
		}
		return c.login(ctx, or(a.Mount, "kubernetes"), map[string]string{"role": a.Role, "jwt": jwt})
	}
}

func or(value, usual string) string {
	if value == "" {
		return usual
	}
	return value
}

// secret reads a file of one secret.
func secret(path string) (string, error) {
	content, err := os.ReadFile(path)
	text := strings.TrimSpace(string(content))
	if err == nil && (text == "" || strings.ContainsAny(text, "\r\n")) {
		err = fmt.Errorf("%s does not hold one line", path)
	}
	return text, err
}

func (c *client) login(ctx context.Context, mount string, in map[string]string) (string, error) {
	var out answer
	err := c.send(ctx, http.MethodPost, "auth/"+mount+"/login", "", in, &out)
	if errors.Is(err, errRefused) { // Vault says 400 for a wrong secret
		err = fmt.Errorf("%w: %w", keys.ErrDenied, err)
	}
	if err == nil && out.Auth.Token == "" {
		err = fmt.Errorf("%w: no token came back", keys.ErrUnavailable)
	}
	return out.Auth.Token, err
}
