// Package connect installs the connector into a cluster and takes it out
// again, for whoever has a kubeconfig of it.
package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/deploy"
	"holdfast.dev/holdfast/internal/chart"
)

// Where the connector lives, and where it installs extensions.
const (
	Namespace          = "kube-system"
	ExtensionNamespace = "holdfast"
)

// Timeout is how long Install waits when ctx has no earlier deadline.
const Timeout = 5 * time.Minute

// look is the pause between two looks at the connector's pods.
const look = time.Second

// deployments are the connector's. The agent is ready once it is enrolled.
var deployments = []string{"extension-agent", "extension-operator"}

// Inputs is what a connector is installed with.
type Inputs struct {
	Token        string // one-time enrolment token of the role connector
	AgentAddress string // https://host:port that the cluster reaches the service at
	ServiceCA    []byte // PEM to trust it by
	Image        string // empty means the chart's default
	PullPolicy   string // Always, IfNotPresent or Never; empty means IfNotPresent
	// Requests overrides the pods' resource requests: "cpu" and "memory" to a
	// quantity. Limits cannot be changed.
	Requests map[string]string
	// Progress is told what is being waited for whenever that changes; may be nil.
	Progress func(message string)
	Log      *slog.Logger // of the chart library; nil discards
}

// Config loads the connection to a cluster: from file, or where kubectl looks
// when file is empty; contextName empty means the current context.
func Config(file, contextName string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	overrides := &clientcmd.ConfigOverrides{CurrentContext: contextName}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w", err)
	}
	return config, nil
}

// Install brings the connector into the cluster, or upgrades it, and waits
// until it runs and is enrolled. It may be repeated at any time. When it does
// not come up, the error is a *agentv1.Problem that says why and what to do.
func Install(ctx context.Context, config *rest.Config, inputs Inputs) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := inputs.check(); err != nil {
		return err
	}
	inputs.say("Installing the connector into the namespace " + Namespace + ".")
	connector, err := release(config, deploy.Connector, Namespace, inputs.Log)
	if err != nil {
		return err
	}
	if err := connector.Apply(ctx, inputs.values()); err != nil {
		return err
	}
	return inputs.wait(ctx, config)
}

// Remove takes the connector out of the cluster, with what it installed.
// Snapshots and what lies in storage locations stay.
func Remove(ctx context.Context, config *rest.Config, log *slog.Logger) error {
	connector, err := release(config, deploy.Connector, Namespace, log)
	if err != nil {
		return err
	}
	extension, err := release(config, deploy.Extension, ExtensionNamespace, log)
	if err != nil {
		return err
	}
	// The connector first: it would bring the extension back.
	return errors.Join(connector.Remove(ctx), extension.Remove(ctx))
}

// ClusterID returns the UID of the namespace kube-system, which names a
// cluster for its whole life.
func ClusterID(ctx context.Context, config *rest.Config) (string, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("reach the cluster: %w", err)
	}
	namespace, err := client.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reach the cluster: %w", err)
	}
	return string(namespace.UID), nil
}

func release(config *rest.Config, name, namespace string, log *slog.Logger) (chart.Release, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	files, err := deploy.Chart(name)
	if err != nil {
		return chart.Release{}, fmt.Errorf("read the chart %s: %w", name, err)
	}
	return chart.Release{Name: name, Namespace: namespace, Files: files, Config: config, Log: log}, nil
}

func (i Inputs) check() error {
	switch {
	case i.Token == "":
		return errors.New("connect a cluster: the enrolment token is missing")
	case !strings.HasPrefix(i.AgentAddress, "https://"):
		return fmt.Errorf("connect a cluster: the agent address %q does not begin with https://", i.AgentAddress)
	case len(i.ServiceCA) == 0:
		return errors.New("connect a cluster: the certificate to trust the service by is missing")
	}
	return nil
}

func (i Inputs) values() map[string]any {
	requests := map[string]any{}
	for _, name := range []string{"cpu", "memory"} {
		if value := i.Requests[name]; value != "" {
			requests[name] = value
		}
	}
	values := map[string]any{
		"service":            map[string]any{"address": i.AgentAddress, "ca": string(i.ServiceCA), "token": i.Token},
		"extensionNamespace": ExtensionNamespace,
		"resources":          map[string]any{"requests": requests},
	}
	if i.Image != "" {
		values["image"] = i.Image
	}
	if i.PullPolicy != "" {
		values["imagePullPolicy"] = i.PullPolicy
	}
	return values
}

// wait returns when every pod of the connector is ready.
func (i Inputs) wait(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	var said string
	for {
		problems, err := chart.Problems(ctx, client, Namespace, deployments)
		if err == nil && len(problems) == 0 {
			i.say("The connector runs and is enrolled.")
			return nil
		}
		if message := messages(problems); err == nil && message != said {
			said = message
			i.say(message)
		}
		select {
		case <-ctx.Done():
			return i.gaveUp(ctx, client, problems, err)
		case <-ticker.C:
		}
	}
}

// gaveUp turns the last look into an error for people.
func (i Inputs) gaveUp(ctx context.Context, client kubernetes.Interface, problems []agentv1.Problem, err error) error {
	if len(problems) == 0 {
		return fmt.Errorf("wait for the connector: %w", errors.Join(ctx.Err(), err))
	}
	problem := problems[0]
	if why := agentSays(context.WithoutCancel(ctx), client); why != "" && problem.Target == "extension-agent" {
		problem.Message += " Its log ends with: " + why
		problem.Actions = append(problem.Actions, "Check that pods of the cluster reach "+i.AgentAddress+".")
	}
	return fmt.Errorf("wait for the connector: %w", &problem)
}

// agentSays returns the last line of the agent's log, "" when there is none.
func agentSays(ctx context.Context, client kubernetes.Interface) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pods, err := client.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=extension-agent"})
	if err != nil || len(pods.Items) == 0 {
		return ""
	}
	newest := slices.MaxFunc(pods.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	lines := int64(1)
	raw, err := client.CoreV1().Pods(Namespace).GetLogs(newest.Name, &corev1.PodLogOptions{TailLines: &lines}).DoRaw(ctx)
	if err != nil && !apierrors.IsNotFound(err) {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

func messages(problems []agentv1.Problem) string {
	var all []string
	for _, problem := range problems {
		all = append(all, problem.Message)
	}
	return strings.Join(all, "; ")
}

func (i Inputs) say(message string) {
	if i.Progress != nil {
		i.Progress(message)
	}
}
