package main

import (
	"testing"
	"time"
)

// A small fleet, with the service killed on the way, on both databases, and on
// PostgreSQL with two replicas.
func TestFleet(t *testing.T) {
	s := size{Clusters: 5, Policies: 10, Slots: 4, Work: time.Second, Lead: 15 * time.Second, Window: 20 * time.Second,
		Kills: 1, Replicas: 2, Patience: 15 * time.Minute}
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel() // both mostly wait
			if err := all(t.Context(), s, t.TempDir(), []string{database}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	due := time.Now()
	c := newCounts()
	c.begin("/A", "1", due.Add(time.Second))()
	c.begin("/a", "1", due.Add(2*time.Second))() // offered again after its agent was gone
	c.begin("/b", "2", due.Add(3*time.Hour))()
	c.begin("/b", "3", due.Add(3*time.Hour))()
	first := c.begin("/c", "4", due)
	c.begin("/c", "4", due)()
	first()
	o := c.sum(due, []string{"/a", "/b", "/c", "/d"}, map[string]int{"/a": 1, "/b": 2, "/c": 1})
	if o.started != 3 || o.late != 1 || o.twice != 2 || o.lost != 2 || o.again != 2 || o.last != 3*time.Hour {
		t.Errorf("%+v", o)
	}
	if o.verdict(size{Clusters: 1, Policies: 4}) == nil {
		t.Error("all is well, it says")
	}
	if o := c.sum(due.Add(2*time.Second), []string{"/a"}, map[string]int{"/a": 1}); o.early != 1 || o.verdict(size{Clusters: 1, Policies: 1}) == nil {
		t.Errorf("one that began before its time: %+v", o)
	}
	if err := (outcome{started: 4, kills: 1}).verdict(size{Clusters: 2, Policies: 2, Kills: 1}); err != nil {
		t.Error(err)
	}
}
