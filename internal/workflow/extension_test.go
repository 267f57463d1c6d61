package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

func TestExtension(t *testing.T) {
	start := func(w *world, kind backup.WorkKind, state backup.ProvisioningState, force bool) {
		w.update(func(tx catalog.Tx) error {
			e, err := inventory.Extensions.Get(tx, extID)
			if err != nil {
				return err
			}
			e.State, e.OperationID = state, "op"
			return errors.Join(w.operation(tx, "op"), inventory.Extensions.Put(tx, e),
				inventory.Enqueue(tx, backup.Work{Kind: kind, Subject: extID, OperationID: "op", Force: force}))
		})
	}
	extension := func(w *world) (e *backup.Extension, err error) {
		err = w.store.View(context.Background(), func(tx catalog.Tx) (err error) { e, err = inventory.Extensions.Get(tx, extID); return err })
		return e, err
	}
	call := func(w *world, health *backup.Health) {
		w.update(func(tx catalog.Tx) error {
			return inventory.Connections.Put(tx, &backup.Connection{Meta: backup.Meta{ID: backup.ConnectionID(clusterID, backup.RoleExtension)},
				LastSeen: w.clock.Now().Add(time.Second), Health: health})
		})
	}
	t.Run("is installed when its agent calls and is well", func(t *testing.T) {
		w := newWorld(t)
		start(w, backup.WorkInstallExtension, backup.StateCreating, false)
		w.answer = func(o agentv1.Operation) agentv1.FinishRequest {
			var spec agentv1.InstallExtension
			if err := json.Unmarshal(o.Spec, &spec); err != nil || spec.Token == "" || spec.Location.URL != "file://"+w.root+"/acct/box" {
				t.Errorf("spec = %+v, %v", spec, err)
			}
			return succeed(o)
		}
		w.turns(func() bool { return len(w.asked) == 1 })
		if w.ended("op")() {
			t.Fatal("installed before its agent called")
		}
		call(w, &backup.Health{Problems: []backup.Problem{{Message: "its pods are not ready yet"}}})
		looked := 0
		w.turns(func() bool { looked++; return looked > 5 })
		if w.ended("op")() {
			t.Fatal("installed before it was healthy")
		}
		call(w, &backup.Health{Healthy: true})
		w.turns(w.ended("op"))
		if e, err := extension(w); err != nil || e.State != backup.StateSucceeded || e.CurrentVersion != "0.1.0" {
			t.Fatalf("extension = %+v, %v", e, err)
		}
	})
	t.Run("fails when it does not become well in time", func(t *testing.T) {
		w := newWorld(t)
		start(w, backup.WorkInstallExtension, backup.StateCreating, false)
		w.turns(func() bool { return len(w.asked) == 1 })
		call(w, &backup.Health{Problems: []backup.Problem{{Message: "its image cannot be pulled"}}})
		w.clock.Advance(time.Hour)
		w.turns(w.ended("op"))
		e, err := extension(w)
		if err != nil || e.State != backup.StateFailed || e.Problem.Code != backup.CodeExtensionUnhealthy ||
			!strings.Contains(e.Problem.Message, "its image cannot be pulled") {
			t.Fatalf("extension = %+v, %v", e, err)
		}
	})
	t.Run("says what it waits for", func(t *testing.T) {
		w := newWorld(t)
		w.clusterAway = true
		start(w, backup.WorkInstallExtension, backup.StateCreating, false)
		says := func(code string) backup.ExtensionStatus {
			t.Helper()
			looked := 0
			w.turns(func() bool { looked++; return looked > 3 })
			e, err := extension(w)
			if err != nil || len(e.Statuses) != 1 || e.Statuses[0].Code != code || e.Statuses[0].Level != "Error" {
				t.Fatalf("want %s, extension = %+v, %v", code, e, err)
			}
			var told struct{ Statuses []backup.ExtensionStatus }
			if err := json.Unmarshal(w.record("op").Properties, &told); err != nil || !slices.Equal(told.Statuses, e.Statuses) {
				t.Fatalf("the operation tells %+v, %v", told, err)
			}
			return e.Statuses[0]
		}
		says("UserErrorClusterNotConnected")
		w.update(func(tx catalog.Tx) error {
			_, token, _, err := agentops.Claim(tx, w.clock.Now(), agentops.Line(clusterID, agentv1.RoleConnector))
			if err != nil {
				return err
			}
			_, err = agentops.Extend(tx, w.clock.Now(), agentops.NewID("op", string(agentv1.KindInstallExtension)), agentv1.ExtendRequest{LeaseToken: token,
				Health: &agentv1.Health{Problems: []agentv1.Problem{{Code: "ExtensionPodUnschedulable", Message: "0/1 nodes are available: Insufficient cpu.",
					Actions: []string{"Add a node.", "Or wait."}}}}})
			return err
		})
		first := says("ExtensionPodUnschedulable")
		if first.Message != "0/1 nodes are available: Insufficient cpu. Add a node." {
			t.Errorf("%+v", first)
		}
		w.clock.Advance(10 * time.Second)
		if again := says("ExtensionPodUnschedulable"); again != first {
			t.Errorf("first %+v, then %+v", first, again)
		}
		w.clusterAway = false // its lease runs out, and another one goes on
		w.clock.Advance(agentops.LeaseTime)
		w.turns(func() bool { return len(w.asked) == 1 })
		call(w, &backup.Health{Problems: []backup.Problem{{Message: "its image cannot be pulled"}}})
		if last := says("UserErrorKubernetesBackupExtensionUnhealthy"); !strings.Contains(last.Message, "its image cannot be pulled") {
			t.Errorf("%+v", last)
		}
		call(w, &backup.Health{Healthy: true})
		w.turns(w.ended("op"))
		if e, err := extension(w); err != nil || e.State != backup.StateSucceeded || len(e.Statuses) != 0 {
			t.Fatalf("extension = %+v, %v", e, err)
		}
	})
	t.Run("fails at once when its cluster is connected under another name", func(t *testing.T) {
		w := newWorld(t)
		w.answer = silent
		start(w, backup.WorkDeleteExtension, backup.StateDeleting, false)
		w.turns(func() bool { return len(w.asked) == 1 })
		w.update(func(tx catalog.Tx) error {
			other := &backup.Cluster{Meta: backup.Meta{ID: otherID}}
			c := &backup.Connection{Meta: backup.Meta{ID: backup.ConnectionID(clusterID, backup.RoleConnector)}, Ended: other.TakenOver()}
			return inventory.Connections.Put(tx, c)
		})
		w.clock.Advance(agentops.LeaseTime)
		w.clusterAway = true
		w.turns(w.ended("op"))
		if e, err := extension(w); err != nil || e.Problem == nil || !strings.Contains(e.Problem.Message, "connected as "+otherID) || len(e.Problem.Actions) == 0 {
			t.Fatalf("extension = %+v, %v", e, err)
		}
	})
	t.Run("deletion waits for the connector", func(t *testing.T) {
		w := newWorld(t)
		start(w, backup.WorkDeleteExtension, backup.StateDeleting, false)
		w.turns(w.ended("op"))
		if _, err := extension(w); !errors.Is(err, catalog.ErrNotFound) {
			t.Fatalf("extension after deletion: %v", err)
		}
	})
	t.Run("forced deletion does not", func(t *testing.T) {
		w := newWorld(t)
		w.answer = silent
		start(w, backup.WorkDeleteExtension, backup.StateDeleting, true)
		w.turns(func() bool { return len(w.asked) == 1 })
		w.clock.Advance(5 * time.Minute)
		w.turns(w.ended("op"))
		if _, err := extension(w); !errors.Is(err, catalog.ErrNotFound) {
			t.Fatalf("extension after forced deletion: %v", err)
		}
	})
}
