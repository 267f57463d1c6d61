package inventory

import (
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
)

// replicaPage is how many replicas are read at a time; the newest come first.
const replicaPage = 20

// ReplicaRegion is the region that an instance is replicated into, as its newest
// replica has it; empty when there is none.
func ReplicaRegion(tx catalog.Tx, instanceID string) (string, error) {
	newest, _, err := Replicas.Page(tx, instanceID, "", 1)
	if err != nil || len(newest) == 0 {
		return "", err
	}
	return newest[0].Region, nil
}

// ReplicationOf says how far the recovery points of an instance are replicated; ok
// is false when none is to be. It reads those that are on their way and the newest
// that is there: work that does not grow with what is kept.
func ReplicationOf(tx catalog.Tx, instanceID string) (sum backup.Replication, ok bool, err error) {
	all, err := Replicas.all(tx, catalog.Query{Prefix: backup.Key(instanceID) + "/", Labels: map[string]string{LabelStatus: ReplicaPending}})
	if err != nil {
		return sum, false, err
	}
	for after, found := "", false; !found; {
		page, next, err := Replicas.Page(tx, instanceID, after, replicaPage)
		if err != nil {
			return sum, false, err
		}
		for i := range page {
			if !page[i].Done.IsZero() { // names count down with time
				all, found = append(all, page[i]), true
				break
			}
		}
		after, found = next, found || next == ""
	}
	sum, ok = backup.SumReplicas(all)
	return sum, ok, nil
}
