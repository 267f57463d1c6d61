package policy

import "holdfast.dev/holdfast/internal/cli/console"

// object is a JSON object of a policy document.
type object = map[string]any

// Default is the policy to start from: every four hours into the operational
// tier, kept for seven days.
func Default() object {
	return object{
		"objectType":      "BackupPolicy",
		"datasourceTypes": []any{"Microsoft.ContainerService/managedClusters"},
		"policyRules": []any{
			object{
				"name": "BackupHourly", "objectType": "AzureBackupRule",
				"backupParameters": object{"objectType": "AzureBackupParams", "backupType": "Incremental"},
				"dataStore":        store("OperationalStore"),
				"trigger": object{
					"objectType":      "ScheduleBasedTriggerContext",
					"schedule":        object{"repeatingTimeIntervals": []any{"R/2023-01-04T09:00:00+00:00/PT4H"}, "timeZone": "Coordinated Universal Time"},
					"taggingCriteria": []any{tagging("Default", nil)},
				},
			},
			retention("Default", []any{lifecycle("OperationalStore", "P7D", nil)}),
		},
	}
}

func store(kind string) object {
	return object{"dataStoreType": kind, "objectType": "DataStoreInfoBase"}
}

func lifecycle(source, duration string, copies []any) object {
	if copies == nil {
		copies = []any{}
	}
	return object{"sourceDataStore": store(source),
		"deleteAfter":                 object{"objectType": "AbsoluteDeleteOption", "duration": duration},
		"targetDataStoreCopySettings": copies}
}

func retention(name string, lifecycles any) object {
	return object{"name": name, "objectType": "AzureRetentionRule", "isDefault": name == "Default", "lifecycles": lifecycles}
}

// priorities of the tags people know; a lower number wins.
var priorities = map[string]int{"Yearly": 10, "Monthly": 15, "Weekly": 20, "Daily": 25, "Default": 99}

func tagging(name string, criteria any) object {
	priority, ok := priorities[name]
	if !ok {
		priority = 50
	}
	t := object{"isDefault": name == "Default", "taggingPriority": priority, "tagInfo": object{"id": name + "_", "tagName": name}}
	if criteria != nil {
		t["criteria"] = criteria
	}
	return t
}

// rules returns the policy rules, and the first backup rule among them.
func rules(policy object) (all []any, backup object) {
	all, _ = inner(policy)["policyRules"].([]any)
	for _, r := range all {
		if rule, ok := r.(object); ok && rule["objectType"] == "AzureBackupRule" {
			return all, rule
		}
	}
	return all, nil
}

// setNamed replaces the rule of that name, or adds it.
func setNamed(list []any, item object, name func(object) any) []any {
	for i, r := range list {
		if old, ok := r.(object); ok && name(old) == name(item) {
			list[i] = item
			return list
		}
	}
	return append(list, item)
}

// dropNamed removes the rule of that name; what is the word for such rules.
func dropNamed(list []any, what, want string, name func(object) any) ([]any, error) {
	out := []any{}
	for _, r := range list {
		if old, ok := r.(object); ok && name(old) == want {
			continue
		}
		out = append(out, r)
	}
	if len(out) == len(list) {
		return nil, console.Usage("the policy has no %s %q", what, want)
	}
	return out, nil
}

// inner is where the properties of a policy stand: what "show" printed has them
// in an envelope.
func inner(policy object) object {
	if p, ok := policy["properties"].(object); ok {
		return p
	}
	return policy
}
