package movers

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWaits(t *testing.T) {
	on := func(places ...string) []place { // "node@target"
		var all []place
		for _, p := range places {
			node, target, _ := strings.Cut(p, "@")
			all = append(all, place{node, target})
		}
		return all
	}
	cases := map[string]struct {
		want    string
		running []place
		nodes   int
		reason  string
	}{
		"nobody there":                   {"a@t", nil, 0, ""},
		"room on the node":               {"a@t", on("a@t", "b@t"), 0, ""},
		"the node is full":               {"a@t", on("a@t", "a@u", "b@t"), 0, "waiting: 2 movers on node a"},
		"another node is full":           {"b@t", on("a@t", "a@t"), 0, ""},
		"the target is full":             {"c@t", on("a@t", "a@t", "b@t"), 0, "waiting: 3 movers for the same target"},
		"another target is full":         {"c@u", on("a@t", "a@t", "b@t"), 0, ""},
		"any node, and there is room":    {"@t", on("a@t"), 1, ""},
		"any node, and the only is full": {"@t", on("a@t", "a@u"), 1, "waiting: 2 movers on 1 node"},
		"any of two nodes":               {"@t", on("a@t", "a@u"), 2, ""},
		"who has no node yet counts":     {"@u", on("@t", "@u", "a@t", "a@v"), 2, "waiting: 4 movers on 2 nodes"},
		"no node is ready":               {"@t", nil, 0, ""},
	}
	limits := Limits{PerTarget: 3}.OrDefault()
	for name, c := range cases {
		node, target, _ := strings.Cut(c.want, "@")
		if got := limits.waits(place{node, target}, c.running, c.nodes); got != c.reason {
			t.Errorf("%s: %q, want %q", name, got, c.reason)
		}
	}
}

// However movers come and go, no limit is passed.
func TestNoLimitIsEverPassed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{PerNode: rapid.IntRange(1, 3).Draw(t, "per node"), PerTarget: rapid.IntRange(1, 5).Draw(t, "per target")}
		nodes := []string{"a", "b", "c", ""}
		var running []place
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if len(running) > 0 && rapid.Bool().Draw(t, "one ends") {
				at := rapid.IntRange(0, len(running)-1).Draw(t, "which")
				running = append(running[:at:at], running[at+1:]...)
				continue
			}
			want := place{rapid.SampledFrom(nodes).Draw(t, "node"), rapid.SampledFrom([]string{"t", "u", "v"}).Draw(t, "target")}
			if limits.waits(want, running, 3) == "" {
				running = append(running, want)
			}
		}
		perNode, perTarget := map[string]int{}, map[string]int{}
		for _, p := range running {
			perNode[p.node]++
			perTarget[p.target]++
		}
		for _, node := range nodes[:3] {
			if perNode[node] > limits.PerNode {
				t.Fatalf("%d movers on node %s, and %d are allowed", perNode[node], node, limits.PerNode)
			}
		}
		if perNode[""] > 3*limits.PerNode {
			t.Fatalf("%d movers without a node", perNode[""])
		}
		for target, n := range perTarget {
			if n > limits.PerTarget {
				t.Fatalf("%d movers for %s, and %d are allowed", n, target, limits.PerTarget)
			}
		}
	})
}
