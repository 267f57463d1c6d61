//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// terraform runs Terraform in the script's folder with the unmodified azurerm
// provider, pointed at the service by nothing but its documented settings.
func (p *player) terraform(ts *testscript.TestScript, neg bool, args []string) {
	p.run(ts, neg, func(ctx context.Context, args ...string) (string, error) {
		tools, err := exec.CommandContext(ctx, filepath.Join(p.Root, "test", "terraform", "tools.sh")).Output()
		if err != nil {
			return "", fmt.Errorf("terraform tools: %w", err)
		}
		env, err := p.terraformEnv(ts, strings.TrimSpace(string(tools)))
		if err != nil {
			return "", err
		}
		cmd := exec.CommandContext(ctx, filepath.Join(strings.TrimSpace(string(tools)), "terraform"), args...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), env
		out, err := cmd.CombinedOutput()
		fmt.Fprintf(p.Log, "terraform %s\n%s\n", strings.Join(args, " "), out)
		if err != nil {
			return "", fmt.Errorf("terraform %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return string(out), nil
	}, args)
}

func (p *player) terraformEnv(ts *testscript.TestScript, tools string) ([]string, error) {
	a, err := p.Admin()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		return nil, err
	}
	rc := ts.MkAbs("terraformrc")
	override := fmt.Sprintf("provider_installation {\n  dev_overrides { \"hashicorp/azurerm\" = %q }\n  direct {}\n}\n", tools)
	if err := os.WriteFile(rc, []byte(override), 0o600); err != nil {
		return nil, err
	}
	return append(os.Environ(), "TF_CLI_CONFIG_FILE="+rc, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "SSL_CERT_FILE="+a.CAFile,
		"TF_VAR_host="+u.Host, "TF_VAR_tenant="+a.Tenant, "TF_VAR_subscription="+a.Subscription,
		"TF_VAR_client_id="+a.ClientID, "TF_VAR_client_secret="+a.ClientSecret,
		"TF_VAR_cluster_id="+ts.Getenv("CLUSTER"), "TF_VAR_cluster_principal="+ts.Getenv("CLUSTER_PRINCIPAL")), nil
}
