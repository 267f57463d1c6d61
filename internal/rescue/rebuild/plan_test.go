package rebuild_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/rescue"
	"holdfast.dev/holdfast/internal/rescue/rebuild"
	"holdfast.dev/holdfast/internal/retention"
	"holdfast.dev/holdfast/internal/workflow"
)

const (
	vaultID  = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
	vaultUID = "ffeeddccbbaa99887766554433221100"
	uid      = "00112233445566778899aabbccddeeff"
	pointID  = "aa000000000000000000000000000001"
)

func kept() backup.Keepsake {
	retention := func(name string, standard bool, tier backup.Tier, stay string) backup.Rule {
		return backup.Rule{Name: name, Retention: &backup.RetentionRule{IsDefault: standard, Lifecycles: []backup.Lifecycle{{Source: tier, DeleteAfter: stay}}}}
	}
	return backup.Keepsake{
		Vault: backup.Vault{Meta: backup.Meta{ID: vaultID, Location: "here"}, UID: vaultUID},
		Policy: &backup.Policy{Meta: backup.Meta{ID: vaultID + "/backupPolicies/p"}, Rules: []backup.Rule{
			retention("Default", true, backup.TierOperational, "P30D"), retention("Vault", false, backup.TierVault, "P90D")}},
		Instance: backup.Instance{Meta: backup.Meta{ID: vaultID + "/backupInstances/i"}, UID: uid, PolicyID: vaultID + "/backupPolicies/p",
			SnapshotGroupID: "/subscriptions/s/resourceGroups/snapshots", Protection: backup.ProtectionConfigured},
		JobID: "job", Tag: "Vault", ContainerID: "/c",
	}
}

// point is a recovery point as it is found in a repository at the prefix.
func point(t *testing.T, prefix string, created time.Time, k backup.Keepsake) rescue.Point {
	t.Helper()
	text, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return rescue.Point{ID: pointID, In: &rescue.Opened{Place: rescue.Place{Prefix: prefix}}, Manifest: repo.Manifest{
		ID: pointID, Created: created, Root: "root of " + prefix,
		Facts:   map[string]string{agentv1.FactKept: text, "namespaces": "b,a", "bytesStored": "7"},
		Streams: []repo.StreamRef{{Type: repo.TypeArchive, Records: 5}},
		Volumes: []repo.Volume{{Namespace: "a", Claim: "c", Protected: true, SnapshotHandle: "h"}},
	}}
}

var (
	inVault   = workflow.VaultPrefix(&backup.Vault{UID: vaultUID}, uid)
	inCluster = workflow.OperationalPrefix(uid)
	made      = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
)

func TestPlan(t *testing.T) {
	vaulted := point(t, inVault, made, kept())
	vaulted.Volumes = []repo.Volume{{Namespace: "a", Claim: "c", SnapshotHandle: "h", ReasonCode: "Large"}}
	for name, points := range map[string][]rescue.Point{
		"vault first": {vaulted, point(t, inCluster, made, kept())}, "vault last": {point(t, inCluster, made, kept()), vaulted},
	} {
		plan := rebuild.Make(points, made.Add(time.Hour))
		if len(plan.Vaults) != 1 || len(plan.Policies) != 1 || len(plan.Instances) != 1 || len(plan.Points) != 1 || len(plan.Groups) != 2 ||
			len(plan.Subscriptions) != 1 || len(plan.Keys) != 2 {
			t.Fatalf("%s: %+v", name, plan)
		}
		got := plan.Points[0]
		want := backup.RecoveryPoint{
			Meta: backup.Meta{ID: vaultID + "/backupInstances/i/recoveryPoints/" + pointID, System: backup.SystemData{CreatedAt: made}},
			Time: made, Expires: made.AddDate(0, 0, 90), PolicyID: vaultID + "/backupPolicies/p", Tag: "Vault", TagVersion: workflow.TagVersion(made), JobID: "job",
			Stores: []backup.RecoveryStore{
				{ID: workflow.StoreID(pointID, backup.TierOperational), Tier: backup.TierOperational, Created: made, Expires: made.AddDate(0, 0, 30), ContainerID: "/c", Prefix: inCluster, Root: "root of " + inCluster, Bytes: 7},
				{ID: workflow.StoreID(pointID, backup.TierVault), Tier: backup.TierVault, Created: made, Expires: made.AddDate(0, 0, 90), Prefix: inVault, Root: "root of " + inVault, Bytes: 7,
					LeftOut: []backup.RecoveryVolume{{Namespace: "a", Claim: "c", Reason: "Large"}}},
			},
			Namespaces: []string{"a", "b"}, Objects: 5, Volumes: []backup.RecoveryVolume{{Namespace: "a", Claim: "c", Protected: true}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestWhatIsNotTold(t *testing.T) {
	nothing := point(t, inVault, made, kept())
	nothing.Facts = nil
	bad := point(t, inVault, made, kept())
	bad.Facts[agentv1.FactKept] = "{}"
	noPolicy := kept()
	noPolicy.Policy = nil
	for want, p := range map[string]rescue.Point{
		"kept nothing of the catalog": nothing, "is of version 0": bad, "does not lie where the service looks": point(t, "elsewhere/", made, kept()),
		"cannot be read and is left out": {ID: pointID, In: nothing.In, Err: repo.ErrDamaged},
		"they are kept":                  point(t, inVault, made, noPolicy),
		"is kept until 2027-03-15":       point(t, inVault, made, kept()),
		"create its storage account":     point(t, inCluster, made, kept()),
	} {
		plan := rebuild.Make([]rescue.Point{p}, time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC))
		if !strings.Contains(strings.Join(plan.Untold, "\n"), want) {
			t.Errorf("%q is not in %q", want, plan.Untold)
		}
	}
}

func TestApplyWritesOverNothing(t *testing.T) {
	store := catalogtest.NewMemory()
	plan := rebuild.Make([]rescue.Point{point(t, inVault, made, kept())}, made)
	adopted := 0
	options := rebuild.Options{Store: store, Adopt: func(context.Context, rebuild.Key) (bool, error) { adopted++; return true, nil }}
	mine := backup.Policy{Meta: backup.Meta{ID: vaultID + "/backupPolicies/p"}, DatasourceTypes: []string{"mine"}}
	if err := store.Update(t.Context(), func(tx catalog.Tx) error { return inventory.Policies.Put(tx, &mine) }); err != nil {
		t.Fatal(err)
	}
	count := func(steps []rebuild.Step) (made int) {
		for _, s := range steps {
			if s.Made {
				made++
			}
		}
		return made
	}
	dry := options
	dry.Dry = true
	for _, o := range []rebuild.Options{dry, dry, options} {
		if steps, err := plan.Apply(t.Context(), o); err != nil || count(steps) != len(steps)-1 || len(steps) != 7 {
			t.Fatalf("%v %v", steps, err)
		}
	}
	if steps, err := plan.Apply(t.Context(), options); err != nil || count(steps) != 0 || adopted != 2 {
		t.Fatalf("again: %v %v, %d keys", steps, err, adopted)
	}
	err := store.View(t.Context(), func(tx catalog.Tx) error {
		p, err := inventory.Policies.Get(tx, mine.ID)
		if err == nil && len(p.DatasourceTypes) != 1 {
			t.Error("a policy was written over")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	other := kept()
	other.Instance.ID += "2"
	plan = rebuild.Make([]rescue.Point{point(t, inVault, made, other)}, made)
	if _, err := plan.Apply(t.Context(), options); !errors.Is(err, rebuild.ErrNotEmpty) {
		t.Errorf("into a catalog with vaults: %v", err)
	}
	broken := errors.New("no key")
	options.Merge, options.Adopt = true, func(context.Context, rebuild.Key) (bool, error) { return false, broken }
	if _, err := plan.Apply(t.Context(), options); !errors.Is(err, broken) {
		t.Errorf("without a key: %v", err)
	}
}

// Nobody knows what became of an instance after its last backup, so nothing starts and
// nothing expires until somebody has looked.
func TestRescuedInstancesAreStopped(t *testing.T) {
	for _, last := range []backup.ProtectionState{backup.ProtectionConfigured, backup.BackupsSuspended, backup.ProtectionError} {
		k := kept()
		k.Instance.Protection = last
		plan := rebuild.Make([]rescue.Point{point(t, inVault, made, k)}, made.AddDate(1, 0, 0))
		stopped := plan.Stopped()
		i := stopped.Instances[0]
		if i.Protection != backup.ProtectionStopped || i.MayBackUp() == nil || i.MayRestore() != nil || i.May(backup.EventResume) != nil {
			t.Errorf("%s: %+v", last, i)
		}
		for _, v := range retention.Apply([]retention.Point{{ID: pointID, Time: made, Copies: []retention.Copy{{Tier: backup.TierVault, Expires: made}}}},
			retention.StateOf(&i, k.Policy), made.AddDate(10, 0, 0)) {
			if v.Action != retention.Keep {
				t.Errorf("%s: %+v", last, v)
			}
		}
		if !strings.Contains(strings.Join(stopped.Untold, "\n"), "resume-protection") {
			t.Errorf("%q", stopped.Untold)
		}
		if plan.Instances[0].Protection != last {
			t.Error("the plan itself was changed")
		}
	}
	if p := (rebuild.Plan{}).Stopped(); len(p.Untold) != 0 {
		t.Errorf("%q", p.Untold)
	}
}

// What the catalog knows as deleted does not come back beside itself.
func TestApplyLeavesDeletedInstances(t *testing.T) {
	store := catalogtest.NewMemory()
	k := kept()
	deleted := &backup.DeletedInstance{Meta: backup.Meta{ID: backup.DeletedID(k.Instance.ID)}, Instance: k.Instance}
	if err := store.Update(t.Context(), func(tx catalog.Tx) error { return inventory.Deleted.Put(tx, deleted) }); err != nil {
		t.Fatal(err)
	}
	plan := rebuild.Make([]rescue.Point{point(t, inVault, made, k)}, made)
	adopt := func(context.Context, rebuild.Key) (bool, error) { return true, nil }
	if _, err := plan.Apply(t.Context(), rebuild.Options{Store: store, Merge: true, Adopt: adopt}); err != nil {
		t.Fatal(err)
	}
	err := store.View(t.Context(), func(tx catalog.Tx) error {
		if _, err := inventory.Instances.Get(tx, k.Instance.ID); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("the instance is there again: %v", err)
		}
		_, err := inventory.RecoveryPoints.Get(tx, k.Instance.ID+"/recoveryPoints/"+pointID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What comes beside other instances counts for the room of the vault.
func TestApplyCountsInstances(t *testing.T) {
	store := catalogtest.NewMemory()
	k := kept()
	const limit = 2
	add := func(name string) (ok bool) {
		err := store.Update(t.Context(), func(tx catalog.Tx) (err error) {
			vault := k.Instance.VaultID()
			if ok, err = inventory.TakeRoom(tx, vault, limit); err != nil || !ok {
				return err
			}
			return inventory.Instances.Put(tx, &backup.Instance{Meta: backup.Meta{ID: vault + "/backupInstances/" + name}})
		})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !add("other") {
		t.Fatal("no room for the first")
	}
	plan := rebuild.Make([]rescue.Point{point(t, inVault, made, k)}, made)
	adopt := func(context.Context, rebuild.Key) (bool, error) { return true, nil }
	if _, err := plan.Apply(t.Context(), rebuild.Options{Store: store, Merge: true, Adopt: adopt}); err != nil {
		t.Fatal(err)
	}
	if add("third") {
		t.Errorf("room for a third among %d", limit)
	}
}

// The identity that a vault acts by comes back as it was, so that its roles fit again.
func TestPlanHasIdentities(t *testing.T) {
	k := kept()
	k.Instance.UserIdentityID = "/subscriptions/s/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"
	k.UserIdentity = &backup.UserIdentity{Meta: backup.Meta{ID: k.Instance.UserIdentityID}, PrincipalID: "principal"}
	plan := rebuild.Make([]rescue.Point{point(t, inVault, made, k), point(t, inCluster, made, k)}, made)
	if len(plan.Identities) != 1 || plan.Identities[0].PrincipalID != "principal" || len(plan.Groups) != 3 {
		t.Errorf("%+v", plan)
	}
	store := catalogtest.NewMemory()
	adopt := func(context.Context, rebuild.Key) (bool, error) { return true, nil }
	if _, err := plan.Apply(t.Context(), rebuild.Options{Store: store, Adopt: adopt}); err != nil {
		t.Fatal(err)
	}
	err := store.View(t.Context(), func(tx catalog.Tx) error {
		_, err := inventory.UserIdentities.Get(tx, k.Instance.UserIdentityID)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
