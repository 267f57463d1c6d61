package repo

import "testing"

// As long as more may be found than was, nobody is told how much it will be.
func TestReplicationTellsNoPartOfAPlan(t *testing.T) {
	var told []int64
	r := &replication{planned: 7, options: ReplicateOptions{Progress: func(_, planned int64) { told = append(told, planned) }}}
	w := &Writer{}
	r.tell(w)
	r.known = true
	r.tell(w)
	if len(told) != 2 || told[0] != 0 || told[1] != 7 {
		t.Errorf("told %v", told)
	}
}
