// Package debian gets Debian packages: installed on the machine for the tools
// a node needs, or downloaded with everything they depend on for images.
package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// NodePackages are the programs a node and its driver call.
var NodePackages = []string{
	"runc", "iptables", "nftables", "ipset", "conntrack", "iproute2", "kmod", "ethtool", "socat", "procps",
	"util-linux", "mount", "e2fsprogs", "xfsprogs", "btrfs-progs", "busybox-static", "dpkg", "tar",
}

// Install installs those of packages that are missing; it asks the package
// index only when some are.
func Install(ctx context.Context, packages []string) error {
	missing, err := missing(ctx, packages)
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	return apt(ctx, append([]string{"install", "-y", "--no-install-recommends"}, missing...)...)
}

// missing asks dpkg, whose exit code is 1 when some name is unknown to it.
func missing(ctx context.Context, packages []string) ([]string, error) {
	args := append([]string{"-W", "-f", "${Package} ${db:Status-Status}\n"}, packages...)
	out, err := exec.CommandContext(ctx, "dpkg-query", args...).Output()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		return nil, fmt.Errorf("ask dpkg what is installed: %w (a Debian system is needed)", err)
	}
	installed := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		name, status, _ := strings.Cut(strings.TrimSpace(line), " ")
		installed[name] = status == "installed"
	}
	var missing []string
	for _, p := range packages {
		if !installed[p] {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

// apt runs apt-get without questions; its output is shown only when it fails.
func apt(ctx context.Context, args ...string) error {
	_, err := aptOutput(ctx, args...)
	return err
}

func aptOutput(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-qq", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, problems.Bytes())
	}
	return out.String(), nil
}
