package backup

import (
	"time"

	"holdfast.dev/holdfast/internal/resourceid"
)

// A restore from the vault may be given a resource group and a storage account
// near its target. The recovery point is then hydrated there, restored from there,
// and what was hydrated is deleted again.

// StagingContainer is the container of a staging account that recovery points are
// hydrated into.
const StagingContainer = "holdfast-staging"

// Tasks of the job of a restore. The first one is there with a staging account only.
const (
	TaskHydrating = "Hydrating"
	TaskRestoring = "Trigger Restore"
)

// Staging is where the recovery point of a restore is hydrated, and how far that is.
type Staging struct {
	ContainerID string `json:"containerId"`
	Prefix      string `json:"prefix"`         // of the repository there, ends with "/"
	Keep        bool   `json:"keep,omitempty"` // when all of it is there
	// Begun is when it was first about to be written to, Ready since when all of it is
	// there, Removed since when nothing is any more; zero for not yet.
	Begun   time.Time `json:"begun,omitzero"`
	Ready   time.Time `json:"ready,omitzero"`
	Removed time.Time `json:"removed,omitzero"`
	Bytes   int64     `json:"bytes,omitempty"` // that lie there, once it is ready
	// TroubleSince is when hydrating first failed; zero while it does not.
	TroubleSince time.Time `json:"troubleSince,omitzero"`
}

// Kept says whether what was hydrated stays.
func (s *Staging) Kept() bool { return s.Keep && !s.Ready.IsZero() }

// Holds says whether something may lie in the staging account that is still to be
// deleted.
func (s *Staging) Holds() bool {
	return s != nil && !s.Begun.IsZero() && s.Removed.IsZero() && !s.Kept()
}

// StagingState is what people are told of a Staging.
type StagingState string

// Staging states.
const (
	StagingWaiting   StagingState = "Waiting"
	StagingHydrating StagingState = "Hydrating"
	StagingHydrated  StagingState = "Hydrated"
	StagingKept      StagingState = "Kept"
	StagingDeleting  StagingState = "Deleting"
	StagingDeleted   StagingState = "Deleted"
)

// StagingState is how it stands with what the job hydrates.
func (j *Job) StagingState() StagingState {
	s, over := j.Staging, j.Status.Terminal()
	switch {
	case !s.Removed.IsZero():
		return StagingDeleted
	case over && s.Kept():
		return StagingKept
	case over && s.Begun.IsZero():
		return StagingDeleted // nothing ever was there
	case over:
		return StagingDeleting
	case s.Begun.IsZero():
		return StagingWaiting
	case s.Ready.IsZero():
		return StagingHydrating
	default:
		return StagingHydrated
	}
}

// Stage lets the job of a restore hydrate first, if its request asks for that. uid
// is that of the instance; the place is named after it, as everywhere.
func (j *Job) Stage(uid string) {
	r := j.Restore
	if !r.Staged() {
		return
	}
	j.Staging = &Staging{ContainerID: ContainerID(r.StagingAccountID, StagingContainer),
		Prefix: "restores/" + j.Name() + "/" + uid + "/", Keep: r.KeepStaging}
	j.Tasks = []Task{{Name: TaskHydrating, Status: JobInProgress}}
}

// EndHydration ends the first task of a staged restore: bytes lie in the account.
func (j *Job) EndHydration(now time.Time, bytes int64) {
	j.Staging.Ready, j.Staging.Bytes, j.Staging.TroubleSince = now.UTC(), bytes, time.Time{}
	last := &j.Tasks[len(j.Tasks)-1]
	last.Status, last.Bytes, last.Ended = JobCompleted, bytes, now.UTC()
	j.Tasks = append(j.Tasks, Task{Name: TaskRestoring, Status: JobInProgress})
	j.Progress = Progress{}
}

// Hydrating is the progress of the first task of a staged restore: how many bytes lie in
// the account, and how many it will be about, 0 for not known.
func Hydrating(moved, planned int64) Progress {
	p := Progress{Phase: TaskHydrating, BytesDone: moved}
	if planned > 0 {
		p.BytesTotal = max(planned, moved)
		p.Percent = min(99, 100*moved/p.BytesTotal)
	}
	return p
}

// Staged says whether the restore is asked to hydrate.
func (r *RestoreRequest) Staged() bool { return r.StagingAccountID != "" }

// checkStaging looks at the staging places of a restore from the vault. Without
// them it streams straight from the vault; one is of no use without the other.
func (r RestoreRequest) checkStaging(criteria string) *Problem {
	switch group, account := r.StagingGroupID, r.StagingAccountID; {
	case r.Tier != TierVault && (group != "" || account != ""):
		return Invalid(criteria, "a staging resource group and storage account are for restores from the VaultStore")
	case group != "" && !isGroupID(group):
		return Invalid(criteria+".stagingResourceGroupId", "%q is not the id of a resource group", group)
	case account != "" && !isAccountID(account):
		return Invalid(criteria+".stagingStorageAccountId", "%q is not the id of a storage account", account)
	case account == "" && group != "":
		return Invalid(criteria+".stagingStorageAccountId", "a staging resource group is given without a staging storage account").advise(bothOrNone)
	case account != "" && group == "":
		return Invalid(criteria+".stagingResourceGroupId", "a staging storage account is given without a staging resource group").advise(bothOrNone)
	case r.KeepStaging && account == "":
		return Invalid(criteria+".holdfastKeepStaging", "nothing is hydrated that could be kept").advise(bothOrNone)
	default:
		return nil
	}
}

const bothOrNone = "Give both, the resource group and the storage account, or none: the restore then streams straight from the vault."

// StagingFacts is what is known of the staging places of a restore. A nil pointer
// means that the resource does not exist.
type StagingFacts struct {
	Group   *Meta
	Account *StorageAccount
}

// PreflightStaging returns everything that stands in the way of hydrating, the most
// basic first. f is of the target cluster, its missing grants those of StagingGrants.
func PreflightStaging(r *RestoreRequest, f Facts, s StagingFacts) []Problem {
	return f.found(s.exist(r), s.inSubscription(r), s.inRegion(f.Cluster))
}

func (s StagingFacts) exist(r *RestoreRequest) *Problem {
	switch {
	case s.Group == nil:
		return NewProblem(CodeResourceNotFound, r.StagingGroupID, "staging resource group %s does not exist", r.StagingGroupID).
			advise("Create the staging resource group, or name one that exists.")
	case s.Account == nil:
		return NewProblem(CodeResourceNotFound, r.StagingAccountID, "staging storage account %s does not exist", r.StagingAccountID).
			advise("Create the staging storage account, or name one that exists.")
	default:
		return nil
	}
}

func (s StagingFacts) inSubscription(r *RestoreRequest) *Problem {
	want := subscriptionOf(r.Target.ID)
	for _, id := range []string{r.StagingGroupID, r.StagingAccountID} {
		if !equalFold(subscriptionOf(id), want) {
			return Invalid(id, "%s is in another subscription than cluster %s", id, lastSegment(r.Target.ID)).
				advise("Use a staging resource group and storage account in the subscription of the cluster that is restored to.")
		}
	}
	return nil
}

func (s StagingFacts) inRegion(cluster *Cluster) *Problem {
	switch {
	case cluster == nil || s.Group == nil || s.Account == nil:
		return nil // said already
	case !SameRegion(s.Account.Location, cluster.Location):
		return NewProblem(CodeAccountRegion, s.Account.ID, "staging storage account %s is in %s, cluster %s in %s", s.Account.Name(), s.Account.Location, cluster.Name(), cluster.Location)
	case !SameRegion(s.Group.Location, cluster.Location):
		return Invalid(s.Group.ID, "staging resource group %s is in %s, cluster %s in %s", s.Group.Name(), s.Group.Location, cluster.Name(), cluster.Location).
			advise("Use a resource group in the cluster's region.")
	default:
		return nil
	}
}

// StagingGrants returns the rights that hydrating needs, beside those of the restore:
// the vault writes and deletes, the extension reads. f is of the target cluster.
func StagingGrants(i *Instance, f Facts, r *RestoreRequest) []Grant {
	var grants []Grant
	if principal := f.vaultPrincipal(i); principal != "" {
		base := Grant{Holder: identityOf(f.Vault), PrincipalID: principal, Scope: r.StagingAccountID, Code: CodeVaultMissingRole}
		group, account, data := base, base, base
		group.Scope, group.Role, group.Action = r.StagingGroupID, "Contributor", "Microsoft.Compute/disks/write"
		account.Role, account.Action = "Storage Account Contributor", "Microsoft.Storage/storageAccounts/write"
		// One of all actions on data, which is what is asked for.
		data.Role, data.Action, data.Data = "Storage Blob Data Owner", containerActions+"blobs/modifyPermissions/action", true
		grants = append(grants, group, account, data)
	}
	if f.Extension != nil {
		grants = append(grants, extensionGrants(f.Extension, r.StagingAccountID)...)
	}
	return grants
}

// subscriptionOf is the subscription that a resource is in.
func subscriptionOf(id string) string {
	parsed, err := resourceid.Parse(id)
	if err != nil {
		return ""
	}
	return parsed.Subscription()
}
