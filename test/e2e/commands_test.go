//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"

	"holdfast.dev/holdfast/test/equality"
	"holdfast.dev/holdfast/test/stand"
)

// player gives scripts their commands.
type player struct {
	*stand.Stand
	ctx   context.Context
	begin time.Time     // of the scripts, see calm
	ahead time.Duration // of this machine's clock is the service's, see leap
}

func (p *player) commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"holdfast":  p.holdfast,  // holdfast ARGS: the command line
		"kubectl":   p.kubectl,   // kubectl ARGS
		"protect":   p.protect,   // protect NAME NAMESPACE...: a backup instance, waited for
		"policy":    p.policy,    // policy NAME: another policy, since one cluster and policy make one instance
		"calm":      p.calmly,    // calm FILE: nothing of this policy is due before the scripts are over
		"job":       p.job,       // job STATUS: the job that holdfast printed last ended so
		"remember":  p.remember,  // remember FILE NAMESPACE: all objects of a namespace
		"equal":     p.equal,     // equal FILE NAMESPACE: nothing missing, new or changed
		"crash":     p.crash,     // crash service|agent|controller|connector|operator: kill -9, no grace
		"start":     p.start,     // start service
		"await":     p.await,     // await DURATION COMMAND...: until kubectl or holdfast succeeds
		"allow":     p.allow,     // allow ACCOUNT: the extension may write to a storage account
		"azurite":   p.azurite,   // an Azurite for pods and service; sets AZURITE_URL, AZURITE_ACCOUNT, AZURITE_KEY
		"keep":      p.keep,      // keep NAME: what was printed last becomes a variable
		"terraform": p.terraform, // terraform ARGS, with the azurerm provider and the service's endpoints
		"replicate": p.replicate, // the service replicates vaults into another region; protect uses the vault geo
		"wipe":      p.wipe,      // the first region is lost with everything in it
		"second":    p.second,    // the script goes on in the second region, with a service and a cluster of its own
		"leap":      p.leap,      // leap MOMENT | leap next INSTANCE: the service lives on at a moment, or at its next backup
		"ran":       p.ran,       // ran INSTANCE FILE: these are the backups that the schedule has started
		"foretold":  p.foretold,  // foretold POLICY FROM AT FILE: the preview has these recovery points at the end of a day
		"kept":      p.kept,      // kept INSTANCE FILE: these are the recovery points, everywhere
		"leftovers": p.leftovers, // no helper object of any operation is left
	}
}

func (p *player) setup(env *testscript.Env) error {
	a, err := p.Admin()
	if err != nil {
		return err
	}
	cluster, err := p.ClusterID("e2e")
	if err != nil {
		return err
	}
	group := "/subscriptions/" + a.Subscription + "/resourceGroups/" + stand.Group
	env.Setenv("GROUP", group)
	env.Setenv("SUBSCRIPTION", a.Subscription)
	env.Setenv("VAULT", group+"/providers/Microsoft.DataProtection/backupVaults/"+stand.Vault)
	env.Setenv("CLUSTER", cluster)
	env.Setenv("DATA", p.DataDir())
	return p.calmAll(env.WorkDir)
}

// run executes one program for a script, keeps its output for stdout and
// stderr, and demands success unless negated.
func (p *player) run(ts *testscript.TestScript, neg bool, f func(context.Context, ...string) (string, error), args []string) {
	resolved := make([]string, len(args))
	for i, a := range args {
		resolved[i] = inDir(ts, a)
	}
	out, err := f(p.ctx, resolved...)
	fmt.Fprint(ts.Stdout(), out)
	if err != nil {
		fmt.Fprint(ts.Stderr(), err.Error())
	}
	switch {
	case err != nil && !neg:
		ts.Fatalf("%v", err)
	case err == nil && neg:
		ts.Fatalf("succeeded, but must fail\n%s", out)
	}
}

// inDir makes the name of a file of the script absolute.
func inDir(ts *testscript.TestScript, arg string) string {
	if strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, "-") {
		return arg
	}
	if path := ts.MkAbs(arg); strings.Contains(arg, ".") {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return arg
}

func (p *player) holdfast(ts *testscript.TestScript, neg bool, args []string) {
	p.run(ts, neg, p.Holdfast, args)
}

func (p *player) kubectl(ts *testscript.TestScript, neg bool, args []string) {
	p.run(ts, neg, p.Kubectl, args)
}

func (p *player) policy(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(p.policyNamed(args[0]))
}

// policyNamed makes a policy of the usual kind, unless the script made one.
func (p *player) policyNamed(name string) error {
	if _, err := p.Holdfast(p.ctx, "backup-policy", "show", "-n", name); err == nil {
		return nil
	}
	policy, err := p.Holdfast(p.ctx, "backup-policy", "get-default-policy-template")
	if err != nil {
		return err
	}
	_, err = p.Holdfast(p.ctx, "backup-policy", "create", "-n", name, "--policy", string(p.calm([]byte(policy))))
	return err
}

func (p *player) protect(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: protect NAME NAMESPACE...")
	}
	policy := "policy-" + args[0]
	ts.Check(p.policyNamed(policy))
	ts.Check(p.Protect(p.ctx, stand.Protection{Cluster: "e2e", Friendly: args[0], Namespaces: args[1:], Policy: policy}))
	ts.Check(p.WaitProtected(p.ctx, args[0]))
}

func (p *player) job(ts *testscript.TestScript, _ bool, args []string) {
	var j struct {
		Properties struct {
			Status       string
			ErrorDetails any
			ExtendedInfo struct{ WarningDetails any }
		}
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &j))
	if j.Properties.Status != args[0] {
		ts.Fatalf("the job ended as %s, not %s: %v %v", j.Properties.Status, args[0], j.Properties.ErrorDetails, j.Properties.ExtendedInfo.WarningDetails)
	}
}

func (p *player) snapshot(namespace string) (equality.Snapshot, error) {
	config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 200, 400
	return equality.Take(p.ctx, config, namespace)
}

func (p *player) remember(ts *testscript.TestScript, _ bool, args []string) {
	s, err := p.snapshot(args[1])
	ts.Check(err)
	data, err := json.Marshal(s)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

func (p *player) equal(ts *testscript.TestScript, _ bool, args []string) {
	var before equality.Snapshot
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &before))
	if len(before) == 0 {
		ts.Fatalf("nothing was remembered")
	}
	after, err := p.snapshot(args[1])
	ts.Check(err)
	if diff := equality.Differences(before, after); len(diff) > 0 {
		ts.Fatalf("differences:\n%s", strings.Join(diff, "\n"))
	}
}

func (p *player) start(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(p.StartService(p.ctx))
}

// pods of the parts that may be killed, as namespace and label selector.
var parts = map[string][2]string{
	"agent":      {"holdfast", "app.kubernetes.io/name=holdfast-agent"},
	"controller": {"holdfast", "app.kubernetes.io/name=holdfast-controller"},
	"connector":  {"kube-system", "app.kubernetes.io/name=extension-agent"},
	"operator":   {"kube-system", "app.kubernetes.io/name=extension-operator"},
}

func (p *player) crash(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] == "service" {
		ts.Check(p.KillService(p.ctx))
		return
	}
	part, ok := parts[args[0]]
	if !ok {
		ts.Fatalf("no part %q", args[0])
	}
	out, err := p.Kubectl(p.ctx, "delete", "pod", "-n", part[0], "-l", part[1], "--grace-period=0", "--force", "--wait=false")
	ts.Check(err)
	if !strings.Contains(out, "deleted") {
		ts.Fatalf("no pod of %s was there to be killed", args[0])
	}
}

func (p *player) await(ts *testscript.TestScript, _ bool, args []string) {
	within, err := time.ParseDuration(args[0])
	ts.Check(err)
	program := map[string]func(context.Context, ...string) (string, error){"kubectl": p.Kubectl, "holdfast": p.Holdfast}[args[1]]
	if program == nil {
		ts.Fatalf("await kubectl or holdfast")
	}
	want := ""
	rest := args[2:]
	if n := len(rest); n > 2 && rest[n-2] == "=" {
		want, rest = rest[n-1], rest[:n-2]
	}
	err = stand.Eventually(p.ctx, strings.Join(args[1:], " "), within, func() (bool, error) {
		out, err := program(p.ctx, rest...)
		if err == nil && want != "" && strings.TrimSpace(out) != want {
			return false, fmt.Errorf("answers %q", strings.TrimSpace(out))
		}
		return err == nil, err
	})
	ts.Check(err)
}

func (p *player) allow(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(p.AllowStorage(p.ctx, "e2e", args[0]))
}

func (p *player) keep(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// leftovers looks for whatever an operation made for its own use.
func (p *player) leftovers(ts *testscript.TestScript, _ bool, _ []string) {
	kinds := "volumesnapshots,volumesnapshotcontents,jobs,pods,persistentvolumeclaims,secrets,configmaps"
	err := stand.Eventually(p.ctx, "no helper object left", patience, func() (bool, error) {
		out, err := p.Kubectl(p.ctx, "get", kinds, "-A", "-l", "holdfast.dev/operation", "-o", "name", "--ignore-not-found")
		return err == nil && strings.TrimSpace(out) == "", fmt.Errorf("%s %w", out, err)
	})
	ts.Check(err)
}
