package movers

import "fmt"

// Limits bound how many movers of this cluster work at the same time. A field
// that is not above zero means its default.
type Limits struct {
	PerNode   int // on one node; 2
	PerTarget int // for one target store; 4
}

// OrDefault fills what is not set.
func (l Limits) OrDefault() Limits {
	if l.PerNode <= 0 {
		l.PerNode = 2
	}
	if l.PerTarget <= 0 {
		l.PerTarget = 4
	}
	return l
}

// place is where a mover works: the target store it moves to or from, and the
// node, which is empty as long as nobody chose one.
type place struct{ node, target string }

// waits decides whether a mover may start beside those that run on so many
// nodes. Empty means that it may; anything else says, for people, what it waits
// for. Who has no node yet waits only when the nodes together are full: the
// scheduler, told the same limit, sees to the single one.
func (l Limits) waits(want place, running []place, nodes int) string {
	var there, sameNode int
	for _, p := range running {
		if p.target == want.target {
			there++
		}
		if p.node == want.node {
			sameNode++
		}
	}
	switch {
	case there >= l.PerTarget:
		return fmt.Sprintf("waiting: %s for the same target", count(there, "mover"))
	case want.node != "" && sameNode >= l.PerNode:
		return fmt.Sprintf("waiting: %s on node %s", count(sameNode, "mover"), want.node)
	case want.node == "" && len(running) >= l.PerNode*max(nodes, 1):
		return fmt.Sprintf("waiting: %s on %s", count(len(running), "mover"), count(max(nodes, 1), "node"))
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
