// Package controller carries out the run objects of a cluster: BackupRun,
// RestoreRun and RecoveryPointDeletion.
//
//	run object ──> Reconcile ──> task (a goroutine per run) ──> steps in order
//	    ^              │              │
//	    └── status <───┴── journal <──┘
//
// Reconcile never works itself: it starts the task, writes what the journal
// says into the status every two seconds, and the outcome at the end. It is the
// only writer of statuses.
//
// A run may be interrupted anywhere. The next controller finds it unfinished
// and starts its steps again; every step finds what an earlier attempt left. A
// run ends as Succeeded, Failed or Cancelled after its helper objects are gone;
// what could not be removed in time is taken away later by the sweeper.
package controller
