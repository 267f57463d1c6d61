package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

func trigger(c *console.Console) *cobra.Command {
	return console.Noun("trigger", "When a policy runs", createSchedule(c), setSchedule(c))
}

func createSchedule(c *console.Console) *cobra.Command {
	var kind string
	var count int
	var days []string
	cmd := &cobra.Command{Use: "create-schedule", Short: "Print repeating intervals", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		period, ok := map[string]string{"Hourly": "PT%dH", "Daily": "P%dD", "Weekly": "P%dW"}[kind]
		if !ok {
			return console.Usage("--interval-type %q: choose Hourly, Daily or Weekly", kind)
		}
		out := make([]string, len(days))
		for i, d := range days {
			if !strings.ContainsAny(d[min(len(d), len(time.DateOnly)):], "+-Z") {
				d += "+00:00"
			}
			out[i] = "R/" + d + "/" + fmt.Sprintf(period, count)
		}
		return c.Print(out)
	}}
	f := cmd.Flags()
	f.StringVar(&kind, "interval-type", "", "Hourly, Daily or Weekly")
	f.IntVar(&count, "interval-count", 1, "every so many")
	f.StringArrayVar(&days, "schedule-days", nil, "start times, such as 2026-05-02T05:30:00")
	_ = cmd.MarkFlagRequired("interval-type")
	_ = cmd.MarkFlagRequired("schedule-days")
	return cmd
}

// editor returns a command that changes a policy document and prints it.
func editor(c *console.Console, use, short string, edit func(object) error) *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		p, err := c.ReadJSON(file)
		if err != nil {
			return err
		}
		if err := edit(p); err != nil {
			return err
		}
		return c.Print(p)
	}}
	cmd.Flags().StringVar(&file, "policy", "", "JSON of the policy, or a file")
	_ = cmd.MarkFlagRequired("policy")
	return cmd
}

func setSchedule(c *console.Console) *cobra.Command {
	var schedule []string
	cmd := editor(c, "set", "Set the schedule of a policy", func(p object) error {
		_, backup := rules(p)
		t, _ := backup["trigger"].(object)
		s, _ := t["schedule"].(object)
		if s == nil {
			return console.Usage("the policy has no backup rule with a schedule")
		}
		list := []any{}
		for _, x := range schedule {
			list = append(list, strings.Trim(x, "[]\", "))
		}
		s["repeatingTimeIntervals"] = list
		return nil
	})
	cmd.Flags().StringArrayVar(&schedule, "schedule", nil, "repeating intervals, such as R/2026-05-02T05:30:00+00:00/PT6H")
	_ = cmd.MarkFlagRequired("schedule")
	return cmd
}

func retentionRule(c *console.Console) *cobra.Command {
	byName := func(r object) any {
		if r["objectType"] != "AzureRetentionRule" { // a backup rule goes by other commands
			return nil
		}
		return r["name"]
	}
	var name, lifecycles, drop string
	set := editor(c, "set", "Add or replace a retention rule", func(p object) error {
		list, err := c.ReadJSONValue(lifecycles)
		if err != nil {
			return err
		}
		if one, ok := list.(object); ok {
			list = []any{one}
		}
		all, _ := rules(p)
		inner(p)["policyRules"] = setNamed(all, retention(name, list), byName)
		return nil
	})
	set.Flags().StringVar(&name, "name", "", "Default, Daily, Weekly, Monthly or Yearly")
	set.Flags().StringVar(&lifecycles, "lifecycles", "", "JSON of the lifecycles, or a file")
	_ = set.MarkFlagRequired("name")
	_ = set.MarkFlagRequired("lifecycles")
	remove := editor(c, "remove", "Remove a retention rule", func(p object) error {
		if drop == "Default" {
			return console.Usage("the Default rule cannot be removed")
		}
		all, _ := rules(p)
		left, err := dropNamed(all, "retention rule", drop, byName)
		if err == nil {
			inner(p)["policyRules"] = left
		}
		return err
	})
	remove.Flags().StringVar(&drop, "name", "", "name of the rule")
	_ = remove.MarkFlagRequired("name")
	return console.Noun("retention-rule", "How long recovery points are kept", createLifecycle(c), set, remove)
}

func createLifecycle(c *console.Console) *cobra.Command {
	var count int
	var unit, source, target, option, after string
	cmd := &cobra.Command{Use: "create-lifecycle", Short: "Print a lifecycle", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		letter, ok := map[string]string{"Days": "D", "Weeks": "W", "Months": "M", "Years": "Y"}[unit]
		if !ok {
			return console.Usage("--retention-duration-type %q: choose Days, Weeks, Months or Years", unit)
		}
		var copies []any
		when := object{"objectType": option}
		switch custom := option == "CustomCopyOption"; {
		case custom && after == "":
			return console.Usage("--copy-option %s copies some time after the backup: give it with --copy-after, such as P3D", option)
		case custom:
			when["duration"] = after
		case after != "":
			return console.Usage("--copy-after belongs to --copy-option CustomCopyOption, not to %s", option)
		}
		if target != "" {
			copies = []any{object{"dataStore": store(target), "copyAfter": when}}
		}
		return c.Print(lifecycle(source, fmt.Sprintf("P%d%s", count, letter), copies))
	}}
	f := cmd.Flags()
	f.IntVar(&count, "count", 0, "how many")
	f.StringVar(&unit, "retention-duration-type", "", "Days, Weeks, Months or Years")
	f.StringVar(&source, "source-datastore", "", "OperationalStore or VaultStore")
	f.StringVar(&target, "target-datastore", "", "VaultStore")
	f.StringVar(&option, "copy-option", "ImmediateCopyOption", "ImmediateCopyOption, CopyOnExpiryOption or CustomCopyOption")
	f.StringVar(&after, "copy-after", "", "with CustomCopyOption, how long after the backup, such as P3D")
	_ = cmd.MarkFlagRequired("count")
	_ = cmd.MarkFlagRequired("retention-duration-type")
	_ = cmd.MarkFlagRequired("source-datastore")
	return cmd
}

func tag(c *console.Console) *cobra.Command {
	byTag := func(r object) any { info, _ := r["tagInfo"].(object); return info["tagName"] }
	var name, criteria, drop string
	set := editor(c, "set", "Add or replace a tag", func(p object) error {
		var list any
		if name != "Default" {
			var err error
			if list, err = c.ReadJSONValue(criteria); err != nil {
				return err
			}
			if one, ok := list.(object); ok {
				list = []any{one}
			}
		}
		return editTags(p, func(tags []any) ([]any, error) { return setNamed(tags, tagging(name, list), byTag), nil })
	})
	set.Flags().StringVar(&name, "name", "", "Daily, Weekly, Monthly or Yearly")
	set.Flags().StringVar(&criteria, "criteria", "", "JSON of the criteria, or a file")
	_ = set.MarkFlagRequired("name")
	remove := editor(c, "remove", "Remove a tag", func(p object) error {
		return editTags(p, func(tags []any) ([]any, error) { return dropNamed(tags, "tag", drop, byTag) })
	})
	remove.Flags().StringVar(&drop, "name", "", "name of the tag")
	_ = remove.MarkFlagRequired("name")
	return console.Noun("tag", "Which recovery points a retention rule is for", absoluteCriteria(c), set, remove)
}

func editTags(p object, edit func([]any) ([]any, error)) error {
	_, backup := rules(p)
	t, _ := backup["trigger"].(object)
	if t == nil {
		return console.Usage("the policy has no backup rule with a trigger")
	}
	tags, _ := t["taggingCriteria"].([]any)
	tags, err := edit(tags)
	if err == nil {
		t["taggingCriteria"] = tags
	}
	return err
}

func absoluteCriteria(c *console.Console) *cobra.Command {
	var which string
	cmd := &cobra.Command{Use: "create-absolute-criteria", Short: "Print criteria such as first of the day", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.Print([]any{object{"objectType": "ScheduleBasedBackupCriteria", "absoluteCriteria": []any{which}}})
		}}
	cmd.Flags().StringVar(&which, "absolute-criteria", "", "AllBackup, FirstOfDay, FirstOfWeek, FirstOfMonth or FirstOfYear")
	_ = cmd.MarkFlagRequired("absolute-criteria")
	return cmd
}
