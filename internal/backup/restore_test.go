package backup

import "testing"

func goodRestore() RestoreRequest {
	return RestoreRequest{
		RecoveryPointID: "84231923703f467e8825cd194927de55", Tier: TierOperational, Target: Datasource{ID: testCluster},
		ConflictPolicy: ConflictSkip, VolumeMode: WithVolumeData, Selection: Selection{IncludedNamespaces: []string{"test"}},
		NamespaceMappings: map[string]string{"test": "test-restored"},
	}
}

func TestRestoreCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*RestoreRequest)
		code   Code
		target string
	}{
		"as documented":   {func(*RestoreRequest) {}, "", ""},
		"no such id":      {func(r *RestoreRequest) { r.RecoveryPointID = "latest" }, CodeInvalidInput, "recoveryPointId"},
		"id of a path":    {func(r *RestoreRequest) { r.RecoveryPointID = "../../etc" }, CodeInvalidInput, "recoveryPointId"},
		"vault, straight": {func(r *RestoreRequest) { r.Tier = TierVault }, "", ""},
		"vault, staged": {func(r *RestoreRequest) {
			r.Tier, r.StagingGroupID, r.StagingAccountID = TierVault, testGroup, testAccount
		}, "", ""},
		"staging group":       {func(r *RestoreRequest) { r.Tier, r.StagingGroupID = TierVault, testAccount }, CodeInvalidInput, "stagingResourceGroupId"},
		"staging account":     {func(r *RestoreRequest) { r.Tier, r.StagingAccountID = TierVault, testGroup }, CodeInvalidInput, "stagingStorageAccountId"},
		"staging in vain":     {func(r *RestoreRequest) { r.StagingAccountID = testAccount }, CodeInvalidInput, "restoreCriteria[0]"},
		"archive":             {func(r *RestoreRequest) { r.Tier = TierArchive }, CodeInvalidInput, "sourceDataStoreType"},
		"not a cluster":       {func(r *RestoreRequest) { r.Target.ID = testGroup }, CodeInvalidInput, "resourceID"},
		"patch":               {func(r *RestoreRequest) { r.ConflictPolicy = ConflictPatch }, "", ""},
		"overwrite":           {func(r *RestoreRequest) { r.ConflictPolicy = "Overwrite" }, CodeInvalidInput, "conflictPolicy"},
		"unknown volume mode": {func(r *RestoreRequest) { r.VolumeMode = "Maybe" }, CodeInvalidInput, "persistentVolumeRestoreMode"},
		"two into one":        {func(r *RestoreRequest) { r.NamespaceMappings["other"] = "test-restored" }, CodeInvalidInput, "namespaceMappings"},
		"into nothing":        {func(r *RestoreRequest) { r.NamespaceMappings["other"] = "" }, CodeInvalidInput, "namespaceMappings"},
		"nameless hook":       {func(r *RestoreRequest) { r.Hooks = []HookRef{{Namespace: "a"}} }, CodeInvalidInput, "restoreHookReferences"},
		"empty namespace":     {func(r *RestoreRequest) { r.ExcludedNamespaces = []string{""} }, CodeInvalidInput, "restoreCriteria[0]"},
	} {
		r := goodRestore()
		c.change(&r)
		checkProblem(t, name, r.Check(), c.code, c.target)
	}
}

func TestRestoreAgainstPoint(t *testing.T) {
	point := &RecoveryPoint{Stores: []RecoveryStore{{Tier: TierOperational}}, Namespaces: []string{"test"}}
	r := goodRestore()
	if p := r.CheckAgainst(point); p != nil {
		t.Error(p)
	}
	r.IncludedNamespaces = []string{"other"}
	checkProblem(t, "namespace that was not backed up", r.CheckAgainst(point), CodeInvalidInput, "includedNamespaces")
	r = goodRestore()
	point.Stores[0].Tier = TierVault
	checkProblem(t, "tier the point is not in", r.CheckAgainst(point), CodeInvalidInput, "sourceDataStoreType")
}
