package resource

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	apiv1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/connect"
)

func disconnectCluster(c *console.Console) *cobra.Command {
	var name, kubeconfig, kubeContext string
	cmd := &cobra.Command{Use: "disconnect", Short: "Take connector and extension out of a cluster; snapshots and recovery points stay", Args: cobra.NoArgs,
		Long: "Tells the service that the cluster is disconnected, then takes connector and extension out of it with your\nkubeconfig. Snapshots and recovery points stay, and so does the cluster's resource at the service.\nWithout a service that answers, leave --name out: the cluster is cleaned all the same.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := connect.Config(kubeconfig, kubeContext)
			if err != nil {
				return err
			}
			uid, err := connect.ClusterID(cmd.Context(), config)
			if err != nil {
				return err
			}
			if err := tell(cmd.Context(), c, name, uid); err != nil {
				return err
			}
			return connect.Remove(cmd.Context(), config, nil)
		}}
	cmd.Flags().StringVarP(&name, "name", "n", "", "name of the cluster (default: whatever it is connected as)")
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (default: as kubectl)")
	cmd.Flags().StringVar(&kubeContext, "kube-context", "", "context in it (default: its current one)")
	console.Confirm(c, cmd)
	return cmd
}

// tell has the service know that a cluster is disconnected. Without a name a
// service that does not know the cluster, or does not answer, is no hindrance.
func tell(ctx context.Context, c *console.Console, name, uid string) error {
	if name != "" {
		path, err := clusterPath(c, name)
		if err != nil {
			return err
		}
		return disconnect(ctx, c, path, uid)
	}
	paths, err := connectedAs(ctx, c, uid)
	if err != nil {
		c.Say("The service was not told: %v", err)
		return nil
	}
	for _, path := range paths {
		if err := disconnect(ctx, c, path, uid); err != nil {
			return err
		}
	}
	return nil
}

func disconnect(ctx context.Context, c *console.Console, path, uid string) error {
	_, err := c.Call(ctx, http.MethodPost, path+"/disconnect", clusterVersion, apiv1.DisconnectRequest{ClusterUID: uid})
	if err == nil {
		c.Say("The service counts %s as disconnected.", path)
	}
	return err
}

// connectedAs lists the resources of the subscription that stand for a cluster and
// whose programs may call.
func connectedAs(ctx context.Context, c *console.Console, uid string) ([]string, error) {
	s, err := c.SubscriptionID()
	if err != nil {
		return nil, err
	}
	items, err := c.List(ctx, "/subscriptions/"+s+"/providers/Microsoft.ContainerService/managedClusters", clusterVersion)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, item := range items {
		var one apiv1.Cluster
		if err := json.Unmarshal(item, &one); err != nil {
			return nil, err
		}
		if one.Properties == nil || one.Properties.HoldfastConnection == nil {
			continue
		}
		now := one.Properties.HoldfastConnection
		if strings.EqualFold(now.ClusterUID, uid) && now.Reason == nil && now.State != "NeverConnected" {
			paths = append(paths, one.ID)
		}
	}
	return paths, nil
}
