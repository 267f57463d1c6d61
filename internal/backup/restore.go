package backup

import "slices"

// RestoreRequest says what of which recovery point goes where.
type RestoreRequest struct {
	RecoveryPointID string     `json:"recoveryPointId"`
	Tier            Tier       `json:"tier"`   // which copy is read
	Target          Datasource `json:"target"` // the cluster restored to
	Location        string     `json:"location,omitempty"`
	Selection
	NamespaceMappings map[string]string `json:"namespaceMappings"`
	// ConflictPolicy is Skip or Patch; Skip when it was not given.
	ConflictPolicy string `json:"conflictPolicy"`
	// VolumeMode is RestoreWithVolumeData or RestoreWithoutVolumeData; the
	// former when it was not given.
	VolumeMode string    `json:"volumeMode"`
	Hooks      []HookRef `json:"hooks"`
	Modifier   *HookRef  `json:"modifier,omitempty"` // a ConfigMap
	// StagingGroupID and StagingAccountID may be given for the vault tier: the
	// recovery point is then hydrated there first. KeepStaging keeps what was hydrated.
	StagingGroupID   string `json:"stagingGroupId,omitempty"`
	StagingAccountID string `json:"stagingAccountId,omitempty"`
	KeepStaging      bool   `json:"keepStaging,omitempty"`
	// Region is set on cross region restores: the one whose replica is read, and
	// which the target cluster is in.
	Region string `json:"region,omitempty"`
}

// Conflict policies and volume modes.
const (
	ConflictSkip      = "Skip"
	ConflictPatch     = "Patch"
	WithVolumeData    = "RestoreWithVolumeData"
	WithoutVolumeData = "RestoreWithoutVolumeData"
)

// Check validates a request by itself.
func (r RestoreRequest) Check() *Problem {
	const criteria = "restoreTargetInfo.restoreCriteria[0]"
	if p := CheckRecoveryPointID(r.RecoveryPointID); p != nil {
		return p
	}
	switch {
	case r.Region != "" && r.Tier != TierVault:
		return Invalid("sourceDataStoreType", "cross region restores read the VaultStore, not %q", r.Tier)
	case r.Tier != TierOperational && r.Tier != TierVault:
		return Invalid("sourceDataStoreType", "recovery points are read from OperationalStore or VaultStore, not %q", r.Tier)
	case !isClusterID(r.Target.ID):
		return Invalid("restoreTargetInfo.datasourceInfo.resourceID", "%q is not the id of a managed cluster", r.Target.ID)
	case r.ConflictPolicy != ConflictSkip && r.ConflictPolicy != ConflictPatch:
		return Invalid(criteria+".conflictPolicy", "conflictPolicy must be Skip or Patch, not %q", r.ConflictPolicy)
	case r.VolumeMode != WithVolumeData && r.VolumeMode != WithoutVolumeData:
		return Invalid(criteria+".persistentVolumeRestoreMode", "persistentVolumeRestoreMode must be RestoreWithVolumeData or RestoreWithoutVolumeData, not %q", r.VolumeMode)
	}
	if p := r.checkMappings(criteria + ".namespaceMappings"); p != nil {
		return p
	}
	if p := checkHooks(r.Hooks, criteria+".restoreHookReferences"); p != nil {
		return p
	}
	if p := r.checkStaging(criteria); p != nil {
		return p
	}
	return r.check(criteria)
}

// checkMappings refuses two sources in one target, which would mix their objects.
func (r RestoreRequest) checkMappings(target string) *Problem {
	taken := map[string]string{}
	for _, from := range sortedKeys(r.NamespaceMappings) {
		to := r.NamespaceMappings[from]
		if from == "" || to == "" {
			return Invalid(target, "a namespace mapping has an empty name")
		}
		if other, ok := taken[to]; ok {
			return Invalid(target, "namespaces %q and %q are both mapped to %q", other, from, to)
		}
		taken[to] = from
	}
	return nil
}

// CheckAgainst validates a request against the recovery point it reads.
func (r RestoreRequest) CheckAgainst(point *RecoveryPoint) *Problem {
	store, ok := point.Store(r.Tier)
	if store.Going != nil {
		return Invalid("sourceDataStoreType", "recovery point %s is being deleted from the %s: %s", point.Name(), r.Tier, store.Going.Reason)
	}
	if !ok {
		return Invalid("sourceDataStoreType", "recovery point %s is not kept in the %s", point.Name(), r.Tier)
	}
	for _, ns := range r.IncludedNamespaces {
		if len(point.Namespaces) > 0 && !slices.Contains(point.Namespaces, ns) {
			return Invalid("restoreTargetInfo.restoreCriteria[0].includedNamespaces", "namespace %q is not in recovery point %s", ns, point.Name())
		}
	}
	return r.checkDamage(point, store)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
