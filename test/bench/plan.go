package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore"
)

// plannedKinds are served by the cluster to restore into. Half of the objects
// are custom resources, of which all but the first of a namespace have an owner.
const plannedKinds = `{
	"/Namespace":              {"Resource": "namespaces", "Versions": ["v1"]},
	"/ConfigMap":              {"Resource": "configmaps", "Namespaced": true, "Versions": ["v1"]},
	"apps/Deployment":         {"Resource": "deployments", "Namespaced": true, "Versions": ["v1"]},
	"example.org/Widget":      {"Resource": "widgets", "Namespaced": true, "Versions": ["v1"]},
	"example.org/Arrangement": {"Resource": "arrangements", "Namespaced": true, "Versions": ["v1"]}
}`

var planned = []restore.Ref{
	{Version: "v1", Kind: "ConfigMap"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "example.org", Version: "v1", Kind: "Widget"},
	{Group: "example.org", Version: "v1", Kind: "Arrangement"},
}

// entries is the table of contents of an archive of count objects.
func entries(count int) []*restore.Entry {
	all := make([]*restore.Entry, count)
	for i := range all {
		e := &restore.Entry{Ref: planned[i%len(planned)], UID: fmt.Sprint("uid-", i)}
		e.Namespace, e.Name = fmt.Sprintf("team-%04d", i/200), fmt.Sprintf("object-%03d", i%200)
		if e.Group == "example.org" && i%200 > 3 {
			e.Owners = []restore.Owner{{UID: fmt.Sprint("uid-", i-4), APIVersion: "example.org/v1", Kind: e.Kind}}
		}
		all[i] = e
	}
	return all
}

func keyOf(e *restore.Entry) string {
	return strings.Join([]string{e.Group, e.Kind, e.Namespace, e.Name}, "/")
}

// planRestore plans the restore of an archive of which every tenth object
// exists.
func planRestore(_ context.Context, p place) (float64, error) {
	archive := &restore.Archive{Entries: entries(p.Entries)}
	live := restore.Live{Objects: map[string]restore.Object{}}
	if err := json.Unmarshal([]byte(plannedKinds), &live.Kinds); err != nil {
		return 0, err
	}
	for i := 0; i < p.Entries; i += 10 {
		live.Objects[keyOf(archive.Entries[i])] = restore.Object{UID: fmt.Sprint("live-", i)}
	}
	start := time.Now()
	stages, err := restore.Plan(archive, live, agentv1.Restore{ConflictPolicy: agentv1.ConflictSkip}, "holdfast")
	result := rate(int64(p.Entries), start)
	items := 0
	for _, stage := range stages {
		items += len(stage.Items)
	}
	if err == nil && items <= p.Entries {
		err = fmt.Errorf("%d items of %d objects and their namespaces", items, p.Entries)
	}
	return result, err
}

// mapAndSort makes the objects' names, enters them in a map and sorts them,
// which is the least that planning in order has to do.
func mapAndSort(_ context.Context, p place) (float64, error) {
	all := entries(p.Entries)
	start := time.Now()
	names, found := make([]string, len(all)), make(map[string]int, len(all))
	for i, e := range all {
		names[i] = keyOf(e)
		found[names[i]] = i
	}
	slices.Sort(names)
	result := rate(int64(p.Entries), start)
	if len(found) != len(names) {
		return 0, fmt.Errorf("%d names of %d objects", len(found), len(names))
	}
	return result, nil
}
