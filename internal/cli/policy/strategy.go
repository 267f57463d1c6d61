package policy

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

// Strategies are the choices of --backup-strategy.
var Strategies = []string{"Week", "Month", "DisasterRecovery"}

// The policies that az dataprotection enable-backup makes of its
// --backup-strategy; Custom means a policy of one's own.
var strategies = map[string]func() object{
	"Week":  Default,
	"Month": func() object { return kept("P30D") },
	"DisasterRecovery": func() object {
		p := Default()
		all, backup := rules(p)
		p["policyRules"] = slices.Insert(all, 1, any(retention("Vault", []any{lifecycle("VaultStore", "P90D", nil)})))
		first := []any{object{"objectType": "ScheduleBasedBackupCriteria", "absoluteCriteria": []any{"FirstOfDay"}}}
		trigger := backup["trigger"].(object)
		trigger["taggingCriteria"] = append([]any{tagging("Vault", first)}, trigger["taggingCriteria"].([]any)...)
		return p
	},
}

// kept is the default policy with another stay in the operational tier.
func kept(duration string) object {
	p := Default()
	all, _ := rules(p)
	p["policyRules"] = setNamed(all, retention("Default", []any{lifecycle("OperationalStore", duration, nil)}),
		func(r object) any { return r["name"] })
	return p
}

// strategyFlag adds the choice among the strategies to a command; document returns
// the policy of what was chosen.
func strategyFlag(cmd *cobra.Command) (document func() (object, error)) {
	name := cmd.Flags().String("backup-strategy", "Week", "Week (kept 7 days), Month (30 days) or DisasterRecovery (7 days, and the first of each day 90 days in the vault)")
	return func() (object, error) {
		for known, policy := range strategies {
			if strings.EqualFold(known, *name) {
				return policy(), nil
			}
		}
		if strings.EqualFold(*name, "Custom") {
			return nil, console.Usage("--backup-strategy Custom is a policy of your own: start from 'holdfast backup-policy get-default-policy-template', and give it with --policy")
		}
		return nil, console.Usage("--backup-strategy %q: choose %s", *name, console.Choices(append(slices.Clone(Strategies), "Custom")))
	}
}
