package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// counts is what the agents have seen.
type counts struct {
	mu        sync.Mutex
	instances map[string]*seen // by id in lower case
	again     int              // backups handed out once more
}

// seen is what the agents have seen of one instance.
type seen struct {
	first  time.Time
	points map[string]bool // a backup each
	now    int             // how many agents work on it
	beside bool            // two agents did at one time
}

func newCounts() *counts { return &counts{instances: map[string]*seen{}} }

// begin notes that an agent begins a backup; the function it returns, that it ends.
func (c *counts) begin(instance, point string, now time.Time) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.ToLower(instance)
	s := c.instances[key]
	if s == nil {
		s = &seen{first: now, points: map[string]bool{}}
		c.instances[key] = s
	}
	if s.points[point] {
		c.again++
	}
	s.points[point] = true
	s.now++
	s.beside = s.beside || s.now > 1
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		s.now--
	}
}

// begun is how many instances have begun a backup.
func (c *counts) begun() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.instances)
}

// outcome is what became of all backups.
type outcome struct {
	started, late, twice, lost int
	early                      int // begun before their time
	again, kills, replicas     int
	last                       time.Duration // from due to the start of the last one
	whole                      time.Duration // from due to the end of the last one
	median                     time.Duration // from due to a start
	peak                       int64         // bytes, of the service
	cpu                        float64       // seconds, of the service since the backups were due
}

// sum compares what the agents have seen with what the service says: complete are
// the recovery points of each instance, by id in lower case, whose job completed.
func (c *counts) sum(due time.Time, instances []string, complete map[string]int) outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := outcome{again: c.again}
	var waits []time.Duration
	for _, id := range instances {
		s := c.instances[strings.ToLower(id)]
		if s != nil {
			o.started++
			waits = append(waits, s.first.Sub(due))
			if s.first.Sub(due) > promise {
				o.late++
			}
			if s.first.Before(due) {
				o.early++
			}
			if len(s.points) > 1 || s.beside {
				o.twice++
			}
		}
		if complete[strings.ToLower(id)] != 1 {
			o.lost++
		}
	}
	if len(waits) > 0 {
		slices.Sort(waits)
		o.median, o.last = waits[len(waits)/2], waits[len(waits)-1]
	}
	return o
}

func (o outcome) line(database string) string {
	return fmt.Sprintf("bench fleet started=%d late=%d twice=%d lost=%d database=%s replicas=%d kills=%d offered_again=%d median_wait=%.0fs last_start=%.0fs all=%.0fs service_cpu=%.0fs rss=%d",
		o.started, o.late, o.twice, o.lost, database, o.replicas, o.kills, o.again, o.median.Seconds(), o.last.Seconds(), o.whole.Seconds(), o.cpu, o.peak/1e6)
}

// verdict says whether the promise was kept.
func (o outcome) verdict(s size) error {
	if o.started == s.instances() && o.early+o.late+o.twice+o.lost == 0 && o.kills == s.Kills {
		return nil
	}
	return fmt.Errorf("the promise was not kept, %d began before their time: %s", o.early, o.line("this one"))
}
