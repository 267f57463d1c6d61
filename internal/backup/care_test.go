package backup

import (
	"fmt"
	"testing"
	"time"
)

func TestDueAtIsTheLastOfEvenlySpacedMoments(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	for _, every := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		for i := range 100 {
			subject := fmt.Sprintf("/Vaults/v/instances/%d", i)
			due := DueAt(subject, every, now)
			if due.After(now) || now.Sub(due) >= every {
				t.Fatalf("%s every %s: due at %s, now %s", subject, every, due, now)
			}
			if again := DueAt(subject, every, due); !again.Equal(due) {
				t.Errorf("at its due time it is due at %s, not %s", again, due)
			}
			if before := DueAt(subject, every, due.Add(-1)); !before.Equal(due.Add(-every)) {
				t.Errorf("before its due time it was due at %s, not one period earlier than %s", before, due)
			}
			if lower := DueAt("/vaults/v/INSTANCES/"+fmt.Sprint(i), every, now); !lower.Equal(due) {
				t.Error("the case of the id matters")
			}
		}
	}
}

func TestDueTimesAreSpread(t *testing.T) {
	const subjects, slots = 5000, 24
	now, count := time.Unix(0, 0).UTC().AddDate(60, 0, 0), [slots]int{}
	for i := range subjects {
		count[now.Sub(DueAt(fmt.Sprintf("/i/%d", i), 24*time.Hour, now))/time.Hour]++
	}
	for hour, n := range count {
		if n < subjects/slots/2 || n > subjects/slots*2 {
			t.Errorf("%d of %d are due %d hours ago", n, subjects, hour)
		}
	}
}

func TestNothingIsDueWithoutAPeriod(t *testing.T) {
	if due := DueAt("x", 0, time.Now()); !due.IsZero() {
		t.Error(due)
	}
}

func TestCareRemembersContainersOnce(t *testing.T) {
	var c Care
	if !c.Remember("/A/box") || c.Remember("/a/BOX") || !c.Remember("/a/other") || len(c.Containers) != 2 {
		t.Errorf("%q", c.Containers)
	}
}

func TestParseVerifyData(t *testing.T) {
	for text, want := range map[string]VerifyData{"": VerifySample, "ALL": VerifyAll, "None": VerifyNone, "sample": VerifySample} {
		if got, problem := ParseVerifyData(text); got != want || problem != nil {
			t.Errorf("%q: %s, %v", text, got, problem)
		}
	}
	if _, problem := ParseVerifyData("some"); problem == nil || problem.Target != "data" {
		t.Errorf("%v", problem)
	}
}

func TestUpkeepHasATaskForEachInstance(t *testing.T) {
	var j Job
	j.Upkeep, j.Tasks = NewUpkeep(Upkeep{Instances: []string{"/v/a", "/v/b"}})
	j.Tasks[0].Status = JobCompleted
	if n, more := j.NextTask(); n != 1 || !more || j.Tasks[1].Name != "b" {
		t.Errorf("%d %v %+v", n, more, j.Tasks)
	}
	j.Tasks[1].Status = JobFailed
	if _, more := j.NextTask(); more {
		t.Error("all have ended")
	}
}

func TestSumCareTellsWhoWaitsLongest(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	all := []Condition{
		{Collect: Round{Ended: at(3)}, Verify: Round{Ended: at(2)}, Damaged: []string{"a", "b"}, Findings: 5},
		{}, // only an operational repository
		{Collect: Round{Ended: at(1)}, Verify: Round{Ended: at(4), Problem: &Problem{}}, Findings: 1},
	}
	want := CareSum{Damaged: 2, Findings: 6, Failing: 1, Verified: at(2), Collected: at(1)}
	if got := SumCare(all); got != want {
		t.Errorf("%+v", got)
	}
	all = append(all, Condition{Verify: Round{Due: at(5)}})
	if got := SumCare(all); !got.Verified.IsZero() || !got.Collected.IsZero() {
		t.Errorf("one was never looked at: %+v", got)
	}
	if got := SumCare(nil); got != (CareSum{}) {
		t.Errorf("%+v", got)
	}
}

// A region that was left is known once, and forgotten when nothing is left there.
func TestCareKnowsLeftRegions(t *testing.T) {
	c := Care{Replica: Condition{Findings: 3, Damaged: []string{"p"}}}
	if !c.Leave("west") || c.Leave("west") || !c.Leave("north") || c.Replica.Findings != 0 || len(c.LeftRegions) != 2 {
		t.Errorf("%+v", c)
	}
	if !c.Settle("west") || c.Settle("west") || len(c.LeftRegions) != 1 || c.LeftRegions[0] != "north" {
		t.Errorf("%+v", c)
	}
}
