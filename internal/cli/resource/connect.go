package resource

import (
	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func connectCluster(c *console.Console) *cobra.Command {
	return &cobra.Command{Use: "connect", Hidden: true}
}
