package service_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"

	"holdfast.dev/holdfast/client"
)

// stamps are the objects in a folder, each with its size and when it was written.
func stamps(t *testing.T, folder string) (all []string) {
	t.Helper()
	for _, name := range files(t, folder) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(name, info.Size(), info.ModTime()))
	}
	return all
}

func (w *world) awaitInSecond(source *world, want ...string) {
	w.t.Helper()
	await(w.t, fmt.Sprintf("%q in the second region", want), func() (bool, any) {
		names, err := w.secondaryPoints(source)
		return slices.Equal(names, want), fmt.Sprint(names, err)
	})
}

// restoreInSecond restores in the second region, and sees it end well.
func (w *world) restoreInSecond(source *world, cluster *fakeCluster, point string) {
	w.t.Helper()
	before := len(cluster.restorations())
	result := w.must(http.MethodPost, source.group+"/providers/Microsoft.DataProtection/locations/west/crossRegionRestore", w.crossRegionBody(source, point))
	if got := cluster.restorations(); len(got) != before+1 || got[before] != point+" to shop2" {
		w.t.Errorf("restored %v, result %v", got, result)
	}
}

// Both services are alive: the second follows what the first does, restores meanwhile,
// and writes nothing into the store that the first fills. The first may go away and
// come back, and what it deletes is gone in the second, too.
func TestBothRegionsAlive(t *testing.T) {
	t.Parallel()
	w, _, regions, folder := replicatedWorld(t)
	first := w.vaulted()
	w.awaitReplica(first)
	second := w.startSecond(regions, w.copyOfKey())
	second.awaitInSecond(w, first)
	cluster := second.joinWest(w)

	before := stamps(t, folder)
	second.restoreInSecond(w, cluster, first)
	second.restart()
	second.awaitInSecond(w, first)
	if after := stamps(t, folder); !slices.Equal(before, after) {
		t.Errorf("the second service wrote into the store: %q, before %q", after, before)
	}

	next := w.vaulted()
	w.awaitReplica(next)
	second.awaitInSecond(w, next, first)
	w.stop() // an outage of the first region
	second.restoreInSecond(w, cluster, next)
	w.start()
	third := w.vaulted()
	w.awaitReplica(third)
	second.awaitInSecond(w, third, next, first)
	w.restoreHere(third)

	w.must(http.MethodDelete, w.instance, nil)
	second.awaitInSecond(w)
	second.refused("UserErrorGenericResourceNotFound", http.MethodPost, w.group+"/providers/Microsoft.DataProtection/locations/west/crossRegionRestore",
		second.crossRegionBody(w, third))
}

// restoreHere restores from the vault in the first region.
func (w *world) restoreHere(point string) {
	w.t.Helper()
	if job := w.jobOf(w.must(http.MethodPost, w.instance+"/restore", w.fromVault(point))); job["status"] != "Completed" {
		w.t.Errorf("restore in the first region = %v", job)
	}
}

// A service with other keys says so, instead of knowing nothing; and one whose keys are
// taken away refuses to restore what it still knows of.
func TestSecondRegionWithAWrongKey(t *testing.T) {
	t.Parallel()
	w, _, regions, _ := replicatedWorld(t)
	point := w.vaulted()
	w.awaitReplica(point)
	kek := w.copyOfKey()
	at := w.group + "/providers/Microsoft.DataProtection/locations/west/"
	ask := object{"sourceRegion": "local", "sourceBackupInstanceId": w.instance}
	second := w.startSecond(regions, "")
	await(t, "the reason", func() (bool, any) {
		_, err := second.try(http.MethodPost, at+"fetchSecondaryRecoveryPoints", ask)
		return err != nil && codeOf(err) == "UserErrorReplicaKeyRefused", err
	})
	second.options.KeyProvider = "file://" + kek
	second.restart()
	second.awaitInSecond(w, point)
	second.joinWest(w)
	second.must(http.MethodPost, at+"validateCrossRegionRestore", second.crossRegionBody(w, point))
	second.options.KeyProvider = ""
	second.restart()
	second.refused("UserErrorReplicaKeyRefused", http.MethodPost, at+"validateCrossRegionRestore", second.crossRegionBody(w, point))
	second.refused("UserErrorReplicaKeyRefused", http.MethodPost, at+"crossRegionRestore", second.crossRegionBody(w, point))
}

func codeOf(err error) string {
	var answer *client.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
