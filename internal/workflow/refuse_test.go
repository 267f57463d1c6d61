package workflow_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/operations"
)

// What stands in the way of a backup ends it with its code, and the cluster is
// not asked.
func TestPreflightAtEveryRun(t *testing.T) {
	binding := clusterID + "/trustedAccessRoleBindings/b"
	cases := map[backup.Code]func(*world, catalog.Tx) error{
		backup.CodeTrustedAccessMissing: func(_ *world, tx catalog.Tx) error { return inventory.Bindings.Delete(tx, binding) },
		backup.CodeExtensionNotFound:    func(_ *world, tx catalog.Tx) error { return inventory.Extensions.Delete(tx, extID) },
		backup.CodeNoDefaultLocation:    func(_ *world, tx catalog.Tx) error { return inventory.Accounts.Delete(tx, accountID) },
		backup.CodeSnapshotGroupMissing: func(_ *world, tx catalog.Tx) error { return inventory.ResourceGroups.Delete(tx, group) },
		backup.CodeContainerNotFound: func(w *world, _ catalog.Tx) error {
			return os.RemoveAll(filepath.Join(w.root, "acct", "box"))
		},
		backup.CodeListExtensions: func(_ *world, tx catalog.Tx) error {
			all, err := inventory.RoleAssignments.With(tx, inventory.LabelPrincipal, "vault")
			for _, a := range all {
				err = errors.Join(err, inventory.RoleAssignments.Delete(tx, a.ID))
			}
			return err
		},
		backup.CodeExtensionUnhealthy: func(_ *world, tx catalog.Tx) error {
			c, err := inventory.Connections.Get(tx, backup.ConnectionID(clusterID, backup.RoleExtension))
			if err != nil {
				return err
			}
			c.Health = &backup.Health{Problems: []backup.Problem{{Code: "X", Message: "broken"}}}
			return inventory.Connections.Put(tx, c)
		},
		backup.CodeInvalidTransition: func(_ *world, tx catalog.Tx) error {
			i, err := inventory.Instances.Get(tx, instID)
			if err != nil {
				return err
			}
			i.Protection = backup.ProtectionStopped
			return inventory.Instances.Put(tx, i)
		},
	}
	for code, spoil := range cases {
		t.Run(string(code), func(t *testing.T) {
			w := newWorld(t)
			job := w.startJob("j1", backup.JobBackup)
			w.update(func(tx catalog.Tx) error { return spoil(w, tx) })
			w.turns(w.ended(job.OperationID))
			r, j := w.record(job.OperationID), w.job(job.ID)
			if r.Status != operations.Failed || r.Problem.Code != string(code) || j.Status != backup.JobFailed || j.Problem.Code != code {
				t.Fatalf("operation %+v (%+v), job %s (%+v), want %s", r.Status, r.Problem, j.Status, j.Problem, code)
			}
			if len(w.asked) != 0 {
				t.Fatal("the cluster was asked")
			}
		})
	}
}

// What the cluster reports becomes the end of the job.
func TestClusterDecidesTheEnd(t *testing.T) {
	warning := agentv1.Warning{Resource: "v1/PersistentVolumeClaim shop/data", Problem: agentv1.Problem{Code: "UserErrorPVCHasNoVolume"}}
	cases := map[string]struct {
		answer  func(agentv1.Operation) agentv1.FinishRequest
		status  backup.JobStatus
		record  operations.Status
		points  int
		partial bool
	}{
		"warnings": {func(o agentv1.Operation) agentv1.FinishRequest {
			r := succeed(o)
			r.Warnings = []agentv1.Warning{warning}
			return r
		}, backup.JobCompletedWithWarnings, operations.Succeeded, 1, true},
		"failure": {func(agentv1.Operation) agentv1.FinishRequest {
			return agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed, Problem: &agentv1.Problem{Code: "X", Message: "broken"}, Warnings: []agentv1.Warning{warning}}
		}, backup.JobFailed, operations.Failed, 0, false},
		"cancelled": {func(agentv1.Operation) agentv1.FinishRequest {
			return agentv1.FinishRequest{Outcome: agentv1.OutcomeCancelled}
		}, backup.JobCancelled, operations.Canceled, 0, false},
		"no result": {func(agentv1.Operation) agentv1.FinishRequest {
			return agentv1.FinishRequest{Outcome: agentv1.OutcomeSucceeded}
		}, backup.JobFailed, operations.Failed, 0, false},
		"another recovery point": {func(agentv1.Operation) agentv1.FinishRequest {
			return agentv1.FinishRequest{Outcome: agentv1.OutcomeSucceeded, Result: json.RawMessage(`{"recoveryPointId":"ff"}`)}
		}, backup.JobFailed, operations.Failed, 0, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answer = c.answer
			job := w.startJob("j1", backup.JobBackup)
			w.turns(w.ended(job.OperationID))
			if j := w.job(job.ID); j.Status != c.status {
				t.Errorf("job = %s, want %s", j.Status, c.status)
			}
			if r := w.record(job.OperationID); r.Status != c.record {
				t.Errorf("operation = %s, want %s", r.Status, c.record)
			}
			points := w.points()
			if len(points) != c.points || (c.points == 1 && points[0].Partial != c.partial) {
				t.Errorf("recovery points = %+v", points)
			}
		})
	}
}

// silent is a cluster that claims and is not heard of again.
func silent(agentv1.Operation) agentv1.FinishRequest { return agentv1.FinishRequest{} }

func TestSilentClusterIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.answer = silent
	job := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool { return len(w.asked) == 1 })
	w.clock.Advance(40 * time.Minute)
	w.turns(w.ended(job.OperationID))
	if r := w.record(job.OperationID); r.Status != operations.Failed || r.Problem.Code != string(backup.CodeTrackingTimeout) {
		t.Fatalf("operation = %+v %+v", r, r.Problem)
	}
}

// A job that waits for another begins when that ends, whatever its end.
func TestJobsOfOneInstanceTakeTurns(t *testing.T) {
	w := newWorld(t)
	w.addPoint()
	w.answer = silent
	first := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool { return len(w.asked) == 1 })
	second := w.startJob("j2", backup.JobRestore)
	w.turns(func() bool { return strings.HasPrefix(w.job(second.ID).Progress.Phase, "Waiting for another job") })
	w.answer = nil
	w.clock.Advance(2 * time.Minute) // the lease runs out, the operation is offered again
	w.turns(func() bool { return w.ended(first.OperationID)() && w.ended(second.OperationID)() })
	if a, b := w.job(first.ID), w.job(second.ID); a.Status != backup.JobCompleted || b.Status != backup.JobCompleted {
		t.Fatalf("jobs ended as %s and %s (%+v)", a.Status, b.Status, b.Problem)
	}
}

func TestDeleteCallsOffRunningJobs(t *testing.T) {
	w := newWorld(t)
	w.addPoint()
	w.answer = silent
	job := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool { return len(w.asked) == 1 })
	w.update(func(tx catalog.Tx) error { return w.startDelete(tx) })
	w.turns(func() bool { return w.job(job.ID).Status == backup.JobCancelling })
	w.answer = nil
	w.clock.Advance(5 * time.Minute) // nobody takes the operation up any more
	w.turns(w.ended("op"))
	if j := w.job(job.ID); j.Status != backup.JobCancelled {
		t.Fatalf("job = %s", j.Status)
	}
	if w.instance() != nil {
		t.Fatal("the instance is still there")
	}
}

// A recovery point that cannot be deleted keeps the instance, with the reason;
// the deletion can be asked for again.
func TestDeleteThatFailsCanBeRepeated(t *testing.T) {
	w := newWorld(t)
	w.addPoint()
	w.answer = func(agentv1.Operation) agentv1.FinishRequest {
		return agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed, Problem: &agentv1.Problem{Code: "X", Message: "read-only"}}
	}
	w.update(func(tx catalog.Tx) error { return w.startDelete(tx) })
	w.turns(w.ended("op"))
	i := w.instance()
	if i == nil || i.State != backup.StateFailed || i.Error.Code != "BackupPluginDeleteBackupOperationFailed" || len(w.points()) != 1 {
		t.Fatalf("instance = %+v, points %v", i, w.points())
	}
	w.answer = nil
	w.update(func(tx catalog.Tx) error {
		i.State, i.OperationID = backup.StateDeleting, "op2"
		return errors.Join(w.operation(tx, "op2"), inventory.Instances.Put(tx, i),
			inventory.Enqueue(tx, backup.Work{Kind: backup.WorkDeleteInstance, Subject: instID, OperationID: "op2"}))
	})
	w.turns(w.ended("op2"))
	if w.instance() != nil {
		t.Fatal("the instance is still there")
	}
}

// A recovery point is deleted where it lies, also when the extension was given
// another location since; elsewhere there is nothing, which counts as deleted.
func TestDeleteWhereTheRecoveryPointLies(t *testing.T) {
	for container, told := range map[string]string{"box": "", "old": "/acct/old"} {
		w := newWorld(t)
		w.addPoint()
		w.update(func(tx catalog.Tx) error {
			points, err := inventory.RecoveryPoints.Below(tx, instID)
			points[0].Stores[0].ContainerID = backup.ContainerID(accountID, container)
			return errors.Join(err, inventory.RecoveryPoints.Put(tx, &points[0]), w.startDelete(tx))
		})
		var spec agentv1.DeleteRecoveryPoint
		w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
			if err := json.Unmarshal(o.Spec, &spec); err != nil {
				t.Fatal(err)
			}
			return succeed(o)
		}
		w.turns(w.ended("op"))
		url := ""
		if spec.Location != nil {
			url = strings.TrimPrefix(spec.Location.URL, "file://"+w.root)
		}
		if url != told || spec.Repository.Prefix != "repositories/"+uid+"/" {
			t.Errorf("in %s: the cluster was told %q and %q", container, url, spec.Repository.Prefix)
		}
	}
}

// Retention counts from the moment that the cluster reports, by a clock that
// may be wrong.
func TestClockOfTheClusterIsNotTrusted(t *testing.T) {
	for cut, want := range map[time.Time]time.Time{
		begin.Add(time.Second):      begin.Add(time.Second),
		begin.Add(-4 * time.Minute): begin.Add(-4 * time.Minute),
		{}:                          begin,
		time.Unix(0, 0).UTC():       begin,
		begin.AddDate(10, 0, 0):     begin.Add(time.Second),
	} {
		w := newWorld(t)
		w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
			result, err := json.Marshal(agentv1.BackupResult{RecoveryPointID: pointID, CutAt: cut})
			if err != nil {
				t.Fatal(err)
			}
			return agentv1.FinishRequest{Outcome: agentv1.OutcomeSucceeded, Result: result}
		}
		job := w.startJob("j1", backup.JobBackup)
		w.turns(w.ended(job.OperationID))
		p := w.points()[0]
		if !p.Time.Equal(want) || !p.Expires.Equal(p.Time.AddDate(0, 0, 7)) {
			t.Errorf("cut at %s: recovery point of %s expires %s", cut, p.Time, p.Expires)
		}
	}
}

// The wrapped key lies in the bucket, and no operation's document holds the key.
func TestSecretsStayOutOfTheCatalog(t *testing.T) {
	w := newWorld(t)
	var granted []byte
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		var spec agentv1.Backup
		if err := json.Unmarshal(o.Spec, &spec); err != nil {
			t.Fatal(err)
		}
		granted = spec.Repository.Key
		return succeed(o)
	}
	job := w.startJob("j1", backup.JobBackup)
	w.turns(w.ended(job.OperationID))
	key, err := w.ring.Key(t.Context(), uid)
	if err != nil || string(key) != string(granted) || len(key) != 32 {
		t.Fatalf("granted %d bytes, %v", len(granted), err)
	}
	encoded, _ := json.Marshal(key)
	w.view(func(tx catalog.Tx) error {
		docs, err := tx.List(catalog.Query{Kind: "agentoperation"})
		for _, doc := range docs {
			if strings.Contains(string(doc.Body), strings.Trim(string(encoded), `"`)) {
				t.Error("an operation's document holds the data key")
			}
		}
		return err
	})
	found, err := filepath.Glob(filepath.Join(w.root, "acct", "box", "repositories", uid, "keys", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("wrapped keys in the bucket: %q, %v", found, err)
	}
	raw, err := os.ReadFile(found[0])
	if err != nil || !strings.Contains(string(raw), uid) {
		t.Fatalf("wrapped key in the bucket: %s, %v", raw, err)
	}
}

// The key of a store is sealed in the catalog and opened for whoever claims.
func TestStoreKeyIsOpenedForTheClaim(t *testing.T) {
	w := newWorld(t)
	w.update(func(tx catalog.Tx) error {
		account, err := inventory.Accounts.Get(tx, accountID)
		if err != nil {
			return err
		}
		account.Store = backup.AccountStore{URL: "https://acct.example", AccountName: "acct"}
		if account.Store.Key, err = w.seal.Seal(t.Context(), account.KeyOwner(), "sesame"); err != nil {
			return err
		}
		e, err := inventory.Extensions.Get(tx, extID)
		if err != nil {
			return err
		}
		e.State, e.OperationID = backup.StateCreating, "op"
		return errors.Join(w.operation(tx, "op"), inventory.Accounts.Put(tx, account), inventory.Extensions.Put(tx, e),
			inventory.Enqueue(tx, backup.Work{Kind: backup.WorkInstallExtension, Subject: extID, OperationID: "op"}))
	})
	var told agentv1.StorageLocation
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		var spec agentv1.InstallExtension
		if err := json.Unmarshal(o.Spec, &spec); err != nil {
			t.Fatal(err)
		}
		told = spec.Location
		return succeed(o)
	}
	w.turns(func() bool { return len(w.asked) == 1 })
	if want := (agentv1.StorageLocation{URL: "https://acct.example/box", Account: "acct", Key: "sesame"}); told != want {
		t.Fatalf("the connector was told %+v", told)
	}
	w.view(func(tx catalog.Tx) error {
		docs, err := tx.List(catalog.Query{Kind: "agentoperation"})
		for _, doc := range docs {
			if strings.Contains(string(doc.Body), "sesame") {
				t.Error("an operation's document holds the key of a store")
			}
		}
		return err
	})
}

func TestConfigureFailsWithTheReason(t *testing.T) {
	w := newWorld(t)
	w.answer = func(agentv1.Operation) agentv1.FinishRequest {
		return agentv1.FinishRequest{Outcome: agentv1.OutcomeFailed, Problem: &agentv1.Problem{Code: "UserErrorBackupStorageLocationNotReady", Message: "role missing"}}
	}
	w.update(func(tx catalog.Tx) error { return w.startConfigure(tx) })
	w.turns(w.ended("op"))
	if i := w.instance(); i.Protection != backup.ConfiguringFailed || i.State != backup.StateFailed || i.Error.Code != backup.CodeLocationNotReady {
		t.Fatalf("instance = %+v", i)
	}
}

func TestValidations(t *testing.T) {
	candidate := func(w *world) backup.Work {
		i := *w.instance()
		i.ID, i.UID = vaultID+"/backupInstances/validate-x", "ffffffffffffffffffffffffffffffff"
		return backup.Work{Kind: backup.WorkValidateBackup, Subject: i.ID, Instance: &i, OperationID: "op"}
	}
	restore := func(*world) backup.Work {
		return backup.Work{Kind: backup.WorkValidateRestore, Subject: instID, OperationID: "op", Restore: &backup.RestoreRequest{
			RecoveryPointID: pointID, Tier: backup.TierOperational, Target: backup.Datasource{ID: clusterID}}}
	}
	cases := map[string]struct {
		work   func(*world) backup.Work
		spoil  string // document kind "binding" or "point" to be removed first
		status operations.Status
		code   backup.Code
	}{
		"backup":                    {candidate, "", operations.Succeeded, ""},
		"backup without trust":      {candidate, "binding", operations.Failed, backup.CodeTrustedAccessMissing},
		"restore":                   {restore, "", operations.Succeeded, ""},
		"restore without its point": {restore, "point", operations.Failed, backup.CodeResourceNotFound},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.addPoint()
			work := c.work(w)
			w.update(func(tx catalog.Tx) error {
				err := errors.Join(w.operation(tx, "op"), inventory.Enqueue(tx, work))
				switch c.spoil {
				case "binding":
					err = errors.Join(err, inventory.Bindings.Delete(tx, clusterID+"/trustedAccessRoleBindings/b"))
				case "point":
					err = errors.Join(err, inventory.RecoveryPoints.Delete(tx, instID+"/recoveryPoints/"+pointID))
				}
				return err
			})
			w.turns(w.ended("op"))
			r := w.record("op")
			if r.Status != c.status || (c.code != "" && r.Problem.Code != string(c.code)) {
				t.Fatalf("operation = %s %+v, want %s %s", r.Status, r.Problem, c.status, c.code)
			}
		})
	}
}
