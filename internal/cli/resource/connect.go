package resource

import (
	"context"
	"encoding/json"
	"net/http"

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
}

func connectCluster(c *console.Console) *cobra.Command {
	var in connectInput
	cmd := &cobra.Command{Use: "connect", Short: "Install the connector into a cluster, so that it calls this service", Args: cobra.NoArgs,
		Long: "Creates the cluster's resource if there is none, gets a one-time token and installs the connector with\nyour kubeconfig. Repeating it repairs or upgrades the connector. The service never holds the kubeconfig.",
		RunE: func(cmd *cobra.Command, _ []string) error { return in.run(cmd.Context(), c) }}
	console.NameFlag(cmd, &in.name, "name of the cluster")
	f := cmd.Flags()
	f.StringVarP(&in.location, "location", "l", "", "region, for a new cluster")
	f.StringVar(&in.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (default: as kubectl)")
	f.StringVar(&in.kubeContext, "kube-context", "", "context in it (default: its current one)")
	f.StringVar(&in.image, "image", "", "image of the connector (default: the released one)")
	f.StringVar(&in.address, "agent-address", "", "address at which the cluster reaches the service (default: what the service says)")
	f.StringArrayVar(&in.requests, "requests", nil, "cpu=…, memory=… that the connector's pods request")
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
	path, err := in.ensure(ctx, c)
	if err != nil {
		return err
	}
	token, err := connectToken(ctx, c, path)
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

// ensure creates the cluster's resource unless it exists.
func (in *connectInput) ensure(ctx context.Context, c *console.Console) (string, error) {
	path, err := clusterPath(c, in.name)
	if err != nil {
		return "", err
	}
	if _, err = c.Get(ctx, path, clusterVersion); !client.IsNotFound(err) {
		return path, err
	}
	if in.location == "" {
		return "", console.Usage("cluster %s does not exist yet: give --location to create it", in.name)
	}
	_, err = c.Call(ctx, http.MethodPut, path, clusterVersion, newCluster(in.location))
	return path, err
}

func newCluster(location string) map[string]any {
	return map[string]any{"location": location, "identity": map[string]any{"type": "SystemAssigned"}, "properties": map[string]any{}}
}

func connectToken(ctx context.Context, c *console.Console, path string) (apiv1.ConnectToken, error) {
	var token apiv1.ConnectToken
	raw, err := c.Call(ctx, http.MethodPost, path+"/createConnectToken", clusterVersion, nil)
	if err != nil {
		return token, err
	}
	return token, json.Unmarshal(raw, &token)
}

func disconnectCluster(c *console.Console) *cobra.Command {
	var kubeconfig, kubeContext string
	cmd := &cobra.Command{Use: "disconnect", Short: "Take connector and extension out of a cluster; snapshots and recovery points stay", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := connect.Config(kubeconfig, kubeContext)
			if err != nil {
				return err
			}
			return connect.Remove(cmd.Context(), config, nil)
		}}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (default: as kubectl)")
	cmd.Flags().StringVar(&kubeContext, "kube-context", "", "context in it (default: its current one)")
	console.Confirm(c, cmd)
	return cmd
}
