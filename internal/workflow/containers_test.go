package workflow_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

// leftIn lists the files below a container.
func (w *world) leftIn(box string) (names []string) {
	w.t.Helper()
	err := filepath.WalkDir(filepath.Join(w.root, "acct", box), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return names
}

// leave puts a file into the operational repository of an instance, as a cluster
// does.
func (w *world) leave(box, uid, name string) {
	w.t.Helper()
	path := filepath.Join(w.root, "acct", box, "repositories", uid, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

// deleteInstance deletes the instance as the doors would.
func (w *world) deleteInstance() {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		i, err := inventory.Instances.Get(tx, instID)
		if err != nil {
			return err
		}
		i.State, i.OperationID = backup.StateDeleting, "op-delete"
		return errors.Join(inventory.Instances.Put(tx, i), w.operation(tx, "op-delete"),
			inventory.Enqueue(tx, backup.Work{Kind: backup.WorkDeleteInstance, Subject: instID, OperationID: "op-delete"}))
	})
}

const otherUID = "ffffffffffffffffffffffffffffffff"

// Nothing of a deleted instance stays in any container that it ever was in, not
// the wrapped key either; of others everything stays.
func TestADeletedInstanceLeavesNothingInContainers(t *testing.T) {
	w := newWorld(t)
	w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
	if len(w.leftIn("box")) == 0 {
		t.Fatal("the wrapped key is not in the container")
	}
	w.leave("box", uid, "packs/aa/one")
	w.leave("box", otherUID, "packs/aa/two")
	// The extension is given another container.
	w.update(func(tx catalog.Tx) error {
		e, err := inventory.Extensions.Get(tx, extID)
		if err != nil {
			return err
		}
		e.Settings["blobContainer"] = "box2"
		return errors.Join(inventory.Extensions.Put(tx, e),
			inventory.Containers.Put(tx, &backup.Container{Meta: backup.Meta{ID: backup.ContainerID(accountID, "box2")}}))
	})
	w.leave("box2", uid, "packs/bb/three")
	w.deleteInstance()
	w.turns(func() bool { return len(w.queue) == 0 })
	if left := w.leftIn("box"); len(left) != 1 || filepath.Base(left[0]) != "two" {
		t.Errorf("left: %q", left)
	}
	if left := w.leftIn("box2"); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
	if w.instance() != nil || len(w.knownCare().Containers) != 0 {
		t.Errorf("%+v, %+v", w.instance(), w.knownCare())
	}
}

// A container that is gone, or not known any more, does not stand in the way.
func TestADeletedInstanceWhoseContainerIsGone(t *testing.T) {
	for name, ruin := range map[string]func(*world){
		"the account is not known": func(w *world) {
			w.update(func(tx catalog.Tx) error { return inventory.Accounts.Delete(tx, accountID) })
		},
		"the bucket is gone": func(w *world) {
			if err := os.RemoveAll(filepath.Join(w.root, "acct", "box")); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.turns(w.ended(w.startJob("j1", backup.JobBackup).OperationID))
			w.update(func(tx catalog.Tx) error {
				return inventory.RecoveryPoints.Delete(tx, instID+"/recoveryPoints/"+pointID)
			})
			ruin(w)
			w.deleteInstance()
			w.turns(func() bool { return len(w.queue) == 0 })
			if w.instance() != nil {
				t.Errorf("%+v", w.instance())
			}
		})
	}
}
