package progress_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/progress"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

func TestSum(t *testing.T) {
	var s progress.Sum[string]
	check := func(what string, done int64, want agentv1.Progress) {
		t.Helper()
		want.ItemsDone, want.ItemsTotal = done, 24
		if diff := cmp.Diff(want, s.Of(done, 24)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("objects alone", 6, agentv1.Progress{Percent: 25})
	s.Move("a", 1000*mib)
	s.Move("b", 1000*mib)
	check("nothing of the volumes is known", 24, agentv1.Progress{Percent: 1})
	s.Tell("a", agentv1.Progress{BytesDone: 38 * mib, BytesTotal: 76 * mib})
	s.Tell("b", agentv1.Progress{Phase: "waiting for a node"})
	check("b waits, and may have much", 24, agentv1.Progress{BytesDone: 38 * mib, Percent: 5, Phase: "waiting for a node"})
	s.Tell("b", agentv1.Progress{BytesTotal: 24 * mib})
	check("b has little", 24, agentv1.Progress{BytesDone: 38 * mib, BytesTotal: 100 * mib, Percent: 50})
	s.Tell("a", agentv1.Progress{BytesDone: 70 * mib, BytesTotal: 70 * mib})
	s.End("a")
	s.End("b") // of which nothing was moved, as it turned out
	check("all volumes are over", 24, agentv1.Progress{BytesDone: 70 * mib, BytesTotal: 70 * mib, Percent: 99})
}

// What drivers make moves no bytes, and takes its time.
func TestSumOfMadeVolumes(t *testing.T) {
	var s progress.Sum[int]
	for i := range 4 {
		s.Make(i)
	}
	if got := s.Of(10, 20); got.Percent != 0 || got.BytesTotal != 0 {
		t.Errorf("%+v", got)
	}
	s.End(0)
	s.End(7) // nobody expected it
	if got := s.Of(10, 20); got.Percent != 25 || got.BytesDone != 0 {
		t.Errorf("%+v", got)
	}
}

// Whatever the order in which volumes are known, moved and ended: the percentage never
// goes back, and what runs is never done.
func TestPercentNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s progress.Sum[int]
		volumes := rapid.IntRange(0, 5).Draw(t, "volumes")
		told, moved := make([]agentv1.Progress, volumes), make([]bool, volumes)
		for i := range told {
			if moved[i] = rapid.Bool().Draw(t, "moved"); moved[i] {
				s.Move(i, 2*gib)
			} else {
				s.Make(i)
			}
		}
		done, last := int64(0), int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if volumes == 0 || rapid.Bool().Draw(t, "object") {
				done = min(done+1, 30)
			} else {
				i := rapid.IntRange(0, volumes-1).Draw(t, "volume")
				p := &told[i]
				switch {
				case !moved[i]:
				case p.BytesTotal == 0:
					p.BytesTotal = rapid.Int64Range(1, 2*gib).Draw(t, "total")
				default:
					p.BytesDone += (p.BytesTotal - p.BytesDone) / 2
					p.BytesTotal -= rapid.Int64Range(0, (p.BytesTotal-p.BytesDone)/2).Draw(t, "empty") // space is found
				}
				if moved[i] {
					s.Tell(i, *p)
				}
				if rapid.Bool().Draw(t, "over") {
					s.End(i)
				}
			}
			now := s.Of(done, 30).Percent
			if now < last || now > 99 {
				t.Fatalf("%d%% after %d%%", now, last)
			}
			last = now
		}
	})
}
