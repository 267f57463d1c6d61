package resource

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	apiv1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/connect"
)

// connectInput are the flags of cluster connect.
type connectInput struct {
	name, location, kubeconfig, kubeContext, image, address string
	requests                                                []string
	takeOver                                                bool
}

func connectCluster(c *console.Console) *cobra.Command {
	var in connectInput
	cmd := &cobra.Command{Use: "connect", Short: "Install the connector into a cluster, so that it calls this service", Args: cobra.NoArgs,
		Long: "Creates the cluster's resource if there is none, gets a one-time token and installs the connector with\nyour kubeconfig. Repeating it repairs or upgrades the connector. The service never holds the kubeconfig.\n\nA cluster that is connected under another name is refused, and so is a name that stands for another\nconnected cluster. --take-over goes on: what was connected before is then told so.",
		RunE: func(cmd *cobra.Command, _ []string) error { return in.run(cmd.Context(), c) }}
	console.NameFlag(cmd, &in.name, "name of the cluster")
	f := cmd.Flags()
	f.StringVarP(&in.location, "location", "l", "", "region, for a new cluster")
	f.StringVar(&in.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (default: as kubectl)")
	f.StringVar(&in.kubeContext, "kube-context", "", "context in it (default: its current one)")
	f.StringVar(&in.image, "image", "", "image of the connector (default: the released one)")
	f.StringVar(&in.address, "agent-address", "", "address at which the cluster reaches the service (default: what the service says)")
	f.StringArrayVar(&in.requests, "requests", nil, "cpu=…, memory=… that the connector's pods request")
	f.BoolVar(&in.takeOver, "take-over", false, "take the cluster, or the name, over from what is connected")
	return cmd
}

func (in *connectInput) run(ctx context.Context, c *console.Console) error {
	requests, err := console.Pairs(in.requests)
	if err != nil {
		return err
	}
	config, err := connect.Config(in.kubeconfig, in.kubeContext)
	if err != nil {
		return err
	}
	uid, err := connect.ClusterID(ctx, config)
	if err != nil {
		return err
	}
	path, token, err := in.token(ctx, c, uid)
	if err != nil {
		return err
	}
	if in.address == "" {
		in.address = token.AgentAddress
	}
	err = connect.Install(ctx, config, connect.Inputs{Token: token.Token, AgentAddress: in.address, ServiceCA: []byte(token.ServiceCA),
		Image: in.image, Requests: requests, Progress: func(m string) { c.Say("%s", m) }})
	if err != nil {
		return err
	}
	out, err := c.Get(ctx, path, clusterVersion)
	if err != nil {
		return err
	}
	return c.Print(out)
}

// token creates the cluster's resource unless it exists, and gets a token for its
// connector. When the service refuses, a new resource is taken back.
func (in *connectInput) token(ctx context.Context, c *console.Console, uid string) (path string, token apiv1.ConnectToken, err error) {
	path, created, err := in.ensure(ctx, c)
	if err != nil {
		return "", token, err
	}
	raw, err := c.Call(ctx, http.MethodPost, path+"/createConnectToken", clusterVersion, apiv1.ConnectTokenRequest{ClusterUID: uid, TakeOver: in.takeOver})
	if err != nil && created {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
		defer cancel()
		if _, left := c.Call(ctx, http.MethodDelete, path, clusterVersion, nil); left != nil {
			c.Say("The resource %s was created and could not be deleted again: %v", in.name, left)
		}
	}
	if err != nil {
		return "", token, err
	}
	return path, token, json.Unmarshal(raw, &token)
}

// takeBackTime bounds the deletion of a resource that was created in vain.
const takeBackTime = 30 * time.Second

// ensure creates the cluster's resource unless it exists.
func (in *connectInput) ensure(ctx context.Context, c *console.Console) (path string, created bool, err error) {
	if path, err = clusterPath(c, in.name); err != nil {
		return "", false, err
	}
	if _, err = c.Get(ctx, path, clusterVersion); !client.IsNotFound(err) {
		return path, false, err
	}
	if in.location == "" {
		return "", false, console.Usage("cluster %s does not exist yet: give --location to create it", in.name)
	}
	_, err = c.Call(ctx, http.MethodPut, path, clusterVersion, newCluster(in.location))
	return path, err == nil, err
}

func newCluster(location string) map[string]any {
	return map[string]any{"location": location, "identity": map[string]any{"type": "SystemAssigned"}, "properties": map[string]any{}}
}
