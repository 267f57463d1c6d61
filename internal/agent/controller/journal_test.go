package controller

import (
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

func TestJournalCountsWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct{ batches, each, want int }{
		{1, 0, 0}, {1, 999, 999}, {1, 1000, 1000}, {3, 500, 1000}, {1, 5000, 1000},
	} {
		var j journal
		for range c.batches {
			j.warn(make([]agentv1.Warning, c.each)...)
		}
		got := j.listWarnings()
		if len(got) != c.want {
			t.Errorf("%+v: %d warnings", c, len(got))
		}
		if c.batches*c.each > 999 && !strings.Contains(got[len(got)-1].Problem.Message, "more warnings") {
			t.Errorf("%+v: the last warning is %+v", c, got[len(got)-1])
		}
	}
}

func TestJournalProgress(t *testing.T) {
	var j journal
	j.begin("Collect", "Reading.")
	j.report(agentv1.Progress{ItemsDone: 7})
	if step, message, p := j.now(); step != "Collect" || message != "Reading." || p.Phase != "Collect" || p.ItemsDone != 7 {
		t.Errorf("%s %s %+v", step, message, p)
	}
	j.report(agentv1.Progress{Phase: "volumes"})
	j.begin("Commit", "")
	if _, _, p := j.now(); p != (agentv1.Progress{Phase: "Commit"}) {
		t.Errorf("progress of the last step is left: %+v", p)
	}
}
