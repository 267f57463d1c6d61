package network

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Connect joins the network namespace of process pid to the machine: it makes
// the veth pair and gives the machine's end its address. The pair disappears
// with the namespace, so there is nothing to undo.
func (p Plan) Connect(ctx context.Context, pid int) error {
	return runAll(ctx,
		[]string{"ip", "link", "add", p.Link(), "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(pid)},
		[]string{"ip", "addr", "add", HostAddress, "peer", p.NodeAddress().String() + "/32", "dev", p.Link()},
		[]string{"ip", "link", "set", p.Link(), "up"},
	)
}

// ConfigureNode lays out the inside; it must run in the node's namespace.
func (p Plan) ConfigureNode(ctx context.Context) error {
	err := runAll(ctx,
		[]string{"ip", "link", "set", "lo", "up"},
		[]string{"ip", "addr", "add", p.NodeAddress().String(), "peer", HostAddress + "/32", "dev", "eth0"},
		[]string{"ip", "link", "set", "eth0", "up"},
		// Without some route connect() to a service address fails before the
		// NAT hook has a chance to rewrite it.
		[]string{"ip", "route", "replace", ServiceCIDR, "dev", "eth0"},
		[]string{"sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1"},
	)
	if err != nil {
		return err
	}
	return p.masquerade(ctx)
}

// masquerade lets pods talk to the machine: the machine knows the way back to
// the node only, so packets leave under the node's address.
func (p Plan) masquerade(ctx context.Context) error {
	rules := fmt.Sprintf(`table ip holdfast {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %s oifname "eth0" masquerade
	}
}
`, p.PodCIDR())
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load masquerade rule: %w: %s", err, out)
	}
	return nil
}

func runAll(ctx context.Context, commands ...[]string) error {
	for _, c := range commands {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(c, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
