package workflow_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/objstoretest"
	"holdfast.dev/holdfast/internal/operations"
	"holdfast.dev/holdfast/internal/repo"
)

// Scenes of kill_test.go.

func vaultScene(t *testing.T, w *world) {
	w.update(func(tx catalog.Tx) error { return inventory.Policies.Put(tx, vaultPolicy()) })
	job := w.startJob("j1", backup.JobBackup)
	w.turns(w.ended(job.OperationID))
	j := w.job(job.ID)
	if j.Status != backup.JobCompleted || len(j.Tasks) != 2 || j.Tasks[1] != (backup.Task{Name: backup.TaskVaulting, Status: backup.JobCompleted, Ended: j.Ended}) {
		t.Fatalf("job = %+v", j)
	}
	if r := w.record(job.OperationID); r.Status != operations.Succeeded || string(r.Result) != string(operations.JobInfo(job.ID)) {
		t.Fatalf("operation = %+v", r)
	}
	if points := w.points(); len(points) != 1 || len(points[0].Stores) != 2 {
		t.Fatalf("recovery points = %+v", points)
	}
}

func missedVaultScene(t *testing.T, w *world) {
	w.update(func(tx catalog.Tx) error { return inventory.Policies.Put(tx, vaultPolicy()) })
	w.answer = ofKind(agentv1.KindVault, failing(false), succeed)
	job := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool { return w.ended(job.OperationID)() && w.idle() })
	if j := w.job(job.ID); j.Status != backup.JobCompletedWithWarnings || w.stateInVault(pointID) != "void" {
		t.Fatalf("job = %+v, in the vault %s", j, w.stateInVault(pointID))
	}
}

func deleteVaultedScene(t *testing.T, w *world) {
	w.update(func(tx catalog.Tx) error { return inventory.Policies.Put(tx, vaultPolicy()) })
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	w.update(w.startDelete)
	w.turns(func() bool {
		w.clock.Advance(time.Minute)
		return w.ended("op")() && len(w.queue) == 0
	})
	if _, err := w.ring.Key(t.Context(), "vault-"+uid); !errors.Is(err, catalog.ErrNotFound) {
		t.Fatalf("the vault's key is still there: %v", err)
	}
	if left := w.names(); len(left) != 0 || w.instance() != nil {
		t.Fatalf("left in the vault: %v", left)
	}
}

// names lists what is in the vault's store.
func (w *world) names() []string {
	w.t.Helper()
	var names []string
	for info, err := range w.cave.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

// What the cluster is told: where from, where to, with two keys and a grant that
// reaches this recovery point in this repository; and what to build upon.
func TestVaultSpec(t *testing.T) {
	w := newVaultWorld(t)
	var specs []agentv1.Vault
	var given []grants.Grant
	w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
		var spec agentv1.Vault
		if err := json.Unmarshal(o.Spec, &spec); err != nil {
			t.Fatal(err)
		}
		grant, err := w.gate.Verify(spec.Target.Gate.Token)
		if err != nil || grant.Operation != o.ID {
			t.Errorf("grant %+v of operation %s: %v", grant, o.ID, err)
		}
		given = append(given, grant)
		specs = append(specs, spec)
		return w.move(o)
	}, w.move)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	second := strings.Repeat("1", 32)
	w.turns(w.ended(w.startPoint("j2", second).OperationID))
	for i, want := range []grants.Grant{{RecoveryPoint: pointID}, {RecoveryPoint: second}} {
		want.Operation, want.Cluster, want.Store, want.Prefix, want.Rights = given[i].Operation, clusterID, "vault", vaultAt, grants.Append
		if diff := cmp.Diff(want, given[i]); diff != "" {
			t.Errorf("grant (-want +got):\n%s", diff)
		}
		spec := specs[i]
		if spec.Source.Prefix != "repositories/"+uid+"/" || spec.Source.Gate != nil || spec.Target.Prefix != vaultAt || spec.Location != nil ||
			len(spec.Source.Key) != 32 || len(spec.Target.Key) != 32 || string(spec.Source.Key) == string(spec.Target.Key) || spec.Limits.Volumes != 7 {
			t.Errorf("spec = %+v", spec)
		}
	}
	if specs[0].Base != "" || specs[1].Base != pointID {
		t.Errorf("bases are %q and %q", specs[0].Base, specs[1].Base)
	}
	if w.vaulted().ID() != uid || !slices.ContainsFunc(w.names(), func(n string) bool { return strings.HasPrefix(n, vaultAt+"keys/") }) {
		t.Errorf("repository %s of %v", w.vaulted().ID(), w.names())
	}
}

// startPoint starts a backup that makes another recovery point.
func (w *world) startPoint(name, point string) *backup.Job {
	w.t.Helper()
	job := w.startJob(name, backup.JobBackup)
	job.RecoveryPointID = point
	w.update(func(tx catalog.Tx) error { return inventory.Jobs.Put(tx, job) })
	return job
}

// The catalog says where the recovery point is, until when, and what of it.
func TestVaultedPointInTheCatalog(t *testing.T) {
	w := newVaultWorld(t)
	volumes := []agentv1.Volume{{Namespace: "shop", Claim: "data", State: agentv1.VolumeProtected, SizeBytes: 5},
		{Namespace: "shop", Claim: "big", State: agentv1.VolumeProtected, SizeBytes: 9},
		{Namespace: "shop", Claim: "odd", State: agentv1.VolumeSkipped, ReasonCode: "NoSnapshots"}}
	w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
		list := slices.Clone(volumes)
		if o.Kind == agentv1.KindVault {
			list[1].State, list[1].ReasonCode = agentv1.VolumeSkipped, "TooLarge"
		}
		r := succeed(o)
		r.Result, _ = json.Marshal(agentv1.BackupResult{RecoveryPointID: pointID, CutAt: begin, BytesStored: 42, Root: "root of " + string(o.Kind), Volumes: list})
		return r
	}
	job := w.startJob("j1", backup.JobBackup)
	w.turns(w.ended(job.OperationID))
	point := w.points()[0]
	operational, _ := point.Store(backup.TierOperational)
	copied, _ := point.Store(backup.TierVault)
	if operational.Root != "root of Backup" || !operational.Expires.Equal(begin.AddDate(0, 0, 7)) {
		t.Errorf("operational store %+v", operational)
	}
	want := backup.RecoveryStore{ID: copied.ID, Tier: backup.TierVault, Created: copied.Created, Expires: begin.AddDate(0, 0, 90), Prefix: vaultAt,
		Root: "root of Vault", Bytes: 42, LeftOut: []backup.RecoveryVolume{{Namespace: "shop", Claim: "big", Reason: "TooLarge", SizeBytes: 9}}}
	if diff := cmp.Diff(want, copied); diff != "" || copied.ID == operational.ID || !point.Expires.Equal(want.Expires) {
		t.Errorf("vault store (-want +got):\n%s", diff)
	}
	j := w.job(job.ID)
	if j.Status != backup.JobCompletedWithWarnings || !strings.Contains(j.Warnings[0].Resource, "shop/big") || j.Details["vaultVolumes"] != "1" {
		t.Errorf("job = %+v", j)
	}
}

// A rule without vault storage is not vaulted, and the job says so.
func TestNotVaulted(t *testing.T) {
	w := newVaultWorld(t)
	w.update(func(tx catalog.Tx) error {
		p := vaultPolicy()
		p.Rules = append(p.Rules, backup.Rule{Name: "Daily", Retention: p.Rules[0].Retention})
		p.Rules[0].Retention = &backup.RetentionRule{IsDefault: true, Lifecycles: []backup.Lifecycle{{Source: backup.TierOperational, DeleteAfter: "P7D"}}}
		return inventory.Policies.Put(tx, p)
	})
	job := w.startJob("j1", backup.JobBackup)
	w.turns(w.ended(job.OperationID))
	if j := w.job(job.ID); j.Status != backup.JobCompleted || len(j.Tasks) != 1 || !strings.Contains(j.Details["vault"], "Default keeps no") || len(w.names()) != 0 {
		t.Errorf("job = %+v, in the vault %v", j, w.names())
	}
}

// Without its copy in the vault a job is neither complete nor failed; it says
// what is missing and what to do. No copy appears afterwards.
func TestVaultMissed(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*world) func(agentv1.Operation) agentv1.FinishRequest
		wait   time.Duration
		asked  int
		why    string
	}{
		"for good": {func(*world) func(agentv1.Operation) agentv1.FinishRequest { return failing(false) }, 0, 1, "broken"},
		"again and again": {func(*world) func(agentv1.Operation) agentv1.FinishRequest { return failing(true) }, time.Minute, 5,
			"broken"},
		"silence": {func(*world) func(agentv1.Operation) agentv1.FinishRequest { return silent }, 40 * time.Minute, 1, "was not heard of"},
		"written, and silence": {func(w *world) func(agentv1.Operation) agentv1.FinishRequest {
			return func(o agentv1.Operation) agentv1.FinishRequest { w.move(o); return silent(o) }
		}, 40 * time.Minute, 1, "was not heard of"},
		"no result": {func(*world) func(agentv1.Operation) agentv1.FinishRequest {
			return func(agentv1.Operation) agentv1.FinishRequest {
				return agentv1.FinishRequest{Outcome: agentv1.OutcomeSucceeded}
			}
		}, 0, 1, "no readable result"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newVaultWorld(t)
			count := 0
			first := map[string]bool{}
			answer := c.answer(w)
			w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
				if !first[o.ID] {
					first[o.ID], count = true, count+1
					return answer(o)
				}
				return silent(o)
			}, w.move)
			job := w.startJob("j1", backup.JobBackup)
			w.turns(func() bool {
				if count > 0 {
					w.clock.Advance(c.wait)
				}
				return w.ended(job.OperationID)() && w.idle()
			})
			j := w.job(job.ID)
			if j.Status != backup.JobCompletedWithWarnings || j.Tasks[0].Status != backup.JobCompleted || j.Tasks[1].Status != backup.JobFailed || count != c.asked {
				t.Errorf("job = %+v after %d attempts", j, count)
			}
			p := j.Warnings[0].Problem
			if p.Code != backup.CodeVaultCopyMissing || !strings.Contains(p.Message, c.why) || len(p.Actions) < 1 {
				t.Errorf("warning %+v", j.Warnings)
			}
			if r := w.record(job.OperationID); r.Status != operations.Succeeded {
				t.Errorf("operation = %+v", r)
			}
			if points := w.points(); len(points) != 1 || len(points[0].Stores) != 1 || w.stateInVault(pointID) != "void" {
				t.Errorf("points %+v, in the vault %s", points, w.stateInVault(pointID))
			}
		})
	}
}

// A mover that was given up cannot commit any more.
func TestGivenUpMoverComesTooLate(t *testing.T) {
	w := newVaultWorld(t)
	var late agentv1.Operation
	var target *repo.Repository
	w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
		late, target = o, w.targetOf(o)
		return silent(o)
	}, w.move)
	job := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool { return target != nil })
	w.clock.Advance(40 * time.Minute)
	w.turns(func() bool { return w.ended(job.OperationID)() && w.idle() })
	if err := w.write(late, target); !errors.Is(err, repo.ErrVoid) {
		t.Errorf("commit: %v", err)
	}
}

// What may be better later is tried again, after a while.
func TestVaultAgain(t *testing.T) {
	w := newVaultWorld(t)
	count := 0
	var at []time.Time
	w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
		at = append(at, w.clock.Now())
		if count++; count < 3 {
			return failing(true)(o)
		}
		return w.move(o)
	}, w.move)
	job := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool {
		if strings.HasPrefix(w.job(job.ID).Progress.Phase, "Waiting to try again: broken") {
			w.clock.Advance(time.Minute)
		}
		return w.ended(job.OperationID)()
	})
	if j := w.job(job.ID); j.Status != backup.JobCompleted || len(at) != 3 || at[1].Sub(at[0]) < 5*time.Minute || w.stateInVault(pointID) != "there" {
		t.Errorf("job = %+v, tried at %v", j, at)
	}
}

// Called off in its second half, a job leaves its recovery point in the
// operational tier and nothing in the vault.
func TestCancelWhileVaulting(t *testing.T) {
	for name, when := range map[string]agentv1.Kind{"between the halves": agentv1.KindBackup, "in the second": agentv1.KindVault} {
		t.Run(name, func(t *testing.T) {
			w := newVaultWorld(t)
			vaultings := 0
			var id string
			w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
				if o.Kind == when {
					w.callOff(id)
				}
				if o.Kind == agentv1.KindVault {
					vaultings++
					return agentv1.FinishRequest{Outcome: agentv1.OutcomeCancelled}
				}
				return w.move(o)
			}
			job := w.startJob("j1", backup.JobBackup)
			id = job.ID
			w.turns(func() bool { return w.ended(job.OperationID)() && w.idle() })
			j := w.job(job.ID)
			if j.Status != backup.JobCancelled || j.Tasks[0].Status != backup.JobCompleted || j.Tasks[1].Status != backup.JobCancelled {
				t.Errorf("job = %+v", j)
			}
			if c := w.record("cancel"); c.Status != operations.Succeeded || w.record(job.OperationID).Status != operations.Canceled {
				t.Errorf("who called it off hears %+v", c)
			}
			if points := w.points(); len(points) != 1 || len(points[0].Stores) != 1 || (vaultings == 1) != (when == agentv1.KindVault) {
				t.Errorf("points = %+v, %d vaultings", points, vaultings)
			}
			if when == agentv1.KindVault && w.stateInVault(pointID) != "void" {
				t.Errorf("in the vault: %s", w.stateInVault(pointID))
			}
		})
	}
}

// Copying may take long: other jobs of the instance go on, only other copies
// wait.
func TestVaultingHoldsNobodyUp(t *testing.T) {
	w := newVaultWorld(t)
	slow := true
	w.answer = ofKind(agentv1.KindVault, func(o agentv1.Operation) agentv1.FinishRequest {
		if slow {
			return silent(o)
		}
		return w.move(o)
	}, w.move)
	first := w.startJob("j1", backup.JobBackup)
	w.turns(func() bool { return len(w.points()) == 1 })
	w.turns(w.ended(w.startJob("r", backup.JobRestore).OperationID))
	second := w.startPoint("j2", strings.Repeat("1", 32))
	w.turns(func() bool {
		return strings.HasPrefix(w.job(second.ID).Progress.Phase, "Waiting for another recovery point")
	})
	if j := w.job(first.ID); j.Status != backup.JobInProgress || len(w.points()) != 2 {
		t.Errorf("first job = %+v", j)
	}
	slow = false
	w.clock.Advance(time.Minute) // the lease runs out, the operation is offered again
	w.turns(func() bool { return w.ended(first.OperationID)() && w.ended(second.OperationID)() })
	for _, p := range w.points() {
		if len(p.Stores) != 2 {
			t.Errorf("point %+v", p)
		}
	}
}

// A store that is away is waited for, as long as clusters are, and longer than it
// should take; one that cannot be trusted is not.
func TestVaultStoreAway(t *testing.T) {
	for name, c := range map[string]struct {
		fault  error
		until  time.Duration
		status backup.JobStatus
		why    string
	}{
		"for a while": {objstore.ErrUnavailable, 3 * time.Hour, backup.JobCompleted, ""},
		"for long":    {objstore.ErrUnavailable, 6 * time.Hour, backup.JobCompletedWithWarnings, "began 6h"},
		"for a day":   {objstore.ErrUnavailable, 26 * time.Hour, backup.JobCompletedWithWarnings, string(backup.CodeVaultStoreUnreachable)},
		"overwriting": {nil, time.Hour, backup.JobCompletedWithWarnings, "overwrites"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newVaultWorld(t)
			memory := &objstoretest.Memory{}
			heals := begin.Add(c.until)
			w.cave = objstoretest.Faulty(memory, func(call objstoretest.Call) objstoretest.Fault {
				if w.clock.Now().Before(heals) && c.fault != nil {
					return objstoretest.Fault{Before: c.fault}
				}
				if c.fault == nil && call.Op == "put" {
					_ = memory.Delete(t.Context(), call.Name) // it overwrites
				}
				return objstoretest.Fault{}
			})
			w.revive()
			job := w.startJob("j1", backup.JobBackup)
			w.turns(func() bool {
				if w.job(job.ID).Vaulting != nil && w.clock.Now().Before(heals) {
					w.clock.Advance(c.until / 30)
				}
				return w.ended(job.OperationID)()
			})
			if j := w.job(job.ID); j.Status != c.status || c.why != "" && !strings.Contains(j.Warnings[0].Problem.Message, c.why) {
				t.Errorf("job = %+v", j)
			}
		})
	}
}
