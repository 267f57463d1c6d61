package instance

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/vault"
)

func adhocBackup(c *console.Console) *cobra.Command {
	var name, rule, tag string
	var watch bool
	cmd := named(c, &cobra.Command{Use: "adhoc-backup", Short: "Back up now", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return Backup(cmd.Context(), c, name, rule, tag, watch)
	}}, &name)
	cmd.Flags().StringVar(&rule, "rule-name", "", "backup rule of the policy")
	cmd.Flags().StringVar(&tag, "retention-tag-override", "", "retention rule to keep the recovery point by")
	cmd.Flags().BoolVar(&watch, "watch", false, "show progress until the job ends")
	_ = cmd.MarkFlagRequired("rule-name")
	return cmd
}

// Backup starts a backup of an instance and prints its job; with watch it
// follows the job to its end. An empty rule means the policy's first.
func Backup(ctx context.Context, c *console.Console, name, rule, tag string, watch bool) error {
	path, err := Path(c, name)
	if err != nil {
		return err
	}
	if rule == "" {
		if rule, err = firstRule(ctx, c, path); err != nil {
			return err
		}
	}
	options := map[string]any{"ruleName": rule, "triggerOption": map[string]any{}}
	if tag != "" {
		options["triggerOption"] = map[string]any{"retentionTagOverride": tag}
	}
	return start(ctx, c, path+"/backup", map[string]any{"backupRuleOptions": options}, watch)
}

// start sends a request that starts a job. It returns once the job is known,
// or, with watch, once it has ended.
func start(ctx context.Context, c *console.Console, path string, body any, watch bool) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	resp, err := cl.Do(ctx, http.MethodPost, path, vault.Version, body)
	if err != nil {
		return err
	}
	job, err := jobOf(ctx, cl, resp)
	if err != nil {
		return err
	}
	if !watch {
		return c.Print(map[string]any{"objectType": "OperationJobExtendedInfo", "jobId": job})
	}
	return Watch(ctx, c, job)
}

// jobOf follows the operation of a request until it names its job.
func jobOf(ctx context.Context, cl *client.Client, resp *client.Response) (string, error) {
	ctx, found := context.WithCancel(ctx)
	defer found()
	job := ""
	_, result, err := cl.Wait(ctx, resp, func(s *client.Status) {
		if job = s.JobID(); job != "" {
			found()
		}
	})
	if job != "" {
		return job, nil
	}
	if err != nil {
		return "", err
	}
	var r struct {
		JobID string `json:"jobId"`
	}
	if json.Unmarshal(result, &r) != nil || r.JobID == "" {
		return "", console.Usage("the service named no job")
	}
	return r.JobID, nil
}

// firstRule is the name of the first backup rule of an instance's policy.
func firstRule(ctx context.Context, c *console.Console, path string) (string, error) {
	raw, err := c.Get(ctx, path, vault.Version)
	if err != nil {
		return "", err
	}
	var i struct {
		Properties struct {
			PolicyInfo struct {
				PolicyID string `json:"policyId"`
			} `json:"policyInfo"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &i); err != nil {
		return "", err
	}
	raw, err = c.Get(ctx, i.Properties.PolicyInfo.PolicyID, vault.Version)
	if err != nil {
		return "", err
	}
	var p struct {
		Properties struct {
			PolicyRules []struct {
				Name       string `json:"name"`
				ObjectType string `json:"objectType"`
			} `json:"policyRules"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", err
	}
	for _, r := range p.Properties.PolicyRules {
		if r.ObjectType == "AzureBackupRule" {
			return r.Name, nil
		}
	}
	return "", console.Usage("the policy %s has no backup rule", i.Properties.PolicyInfo.PolicyID)
}
