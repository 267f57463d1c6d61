package workflow

import (
	"sync/atomic"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/inventory"
)

// A copy into the vault is to begin at once, and at most backup.VaultingLimit after
// its recovery point was made. What stands in the way is waited for all the same.

// VaultCounts counts what this process has seen of copies into the vault.
type VaultCounts struct {
	Late   atomic.Int64 // begun after backup.VaultingLimit
	Missed atomic.Int64 // not made
}

// vaultEvents are what a step has to count when its transaction has committed.
type vaultEvents struct{ late, missed bool }

func (c *VaultCounts) add(e vaultEvents) {
	if e.late {
		c.Late.Add(1)
	}
	if e.missed {
		c.Missed.Add(1)
	}
}

// awaitVaulting notes what the copying waits for, and that it is late.
func (t *turn) awaitVaulting(job *backup.Job, phase string) error {
	if job.Vaulting.Overdue(t.now) {
		phase += ", for more than " + backup.VaultingLimit.String()
	}
	return t.note(job, agentv1.Progress{Phase: phase})
}

// noteVaulting keeps when the cluster took the copying up first.
func (t *turn) noteVaulting(job *backup.Job, o agentops.Operation) error {
	if o.Attempts == 0 || !job.Vaulting.Began.IsZero() {
		return nil
	}
	t.late = job.Vaulting.Overdue(t.now)
	job.VaultingBegan(t.now)
	return inventory.Jobs.Put(t.tx, job)
}
