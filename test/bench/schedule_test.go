package main

import (
	"regexp"
	"testing"

	"holdfast.dev/holdfast/test/postgres"
)

var scheduleLine = regexp.MustCompile(`^bench schedule-(idle|due)-[a-z]+ [0-9.e+-]+ (ns|us)/instance ratio=[0-9]+\.[0-9]{2} peer=[a-z0-9-]+ rss=[0-9]+$`)

// The schedule is measured in every round, on a small catalog.
func TestSchedule(t *testing.T) {
	server, err := postgres.Start(t.Context(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	database, err := server.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{"sqlite": "", "postgres": database} {
		p := schedulePlace{Dir: t.TempDir(), Database: url, Instances: 10}
		closeAll, err := p.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range scheduleCases {
			if got, err := c.measure(t.Context(), &p, name); err != nil || !scheduleLine.MatchString(got) {
				t.Errorf("%s on %s: %q, %v", c.name, name, got, err)
			}
		}
		closeAll()
		if started := p.flow.ScheduleCounts.Started.Load(); started != int64(rounds*p.Instances) {
			t.Errorf("%s: %d backups in %d rounds over %d instances", name, started, rounds, p.Instances)
		}
	}
}
