// Package rebuild makes the catalog anew from what recovery points keep of it in
// their manifests. Planning is a pure function of the recovery points that were
// found; carrying it out adds what is missing and writes over nothing, so it may
// be repeated.
package rebuild

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/rescue"
	"holdfast.dev/holdfast/internal/retention"
	"holdfast.dev/holdfast/internal/workflow"
)

// Grace is how long a recovery point stays at least from the moment of its
// rescue, whatever its policy says: nobody could use it in the meantime.
const Grace = 14 * 24 * time.Hour

// Plan is what the buckets tell of the catalog.
type Plan struct {
	Subscriptions []inventory.Subscription
	Groups        []inventory.ResourceGroup
	Identities    []backup.UserIdentity // that vaults act by
	Vaults        []backup.Vault
	Policies      []backup.Policy
	Instances     []backup.Instance
	Points        []backup.RecoveryPoint
	Keys          []Key
	// Untold are sentences about what could not be told, or is not rebuilt.
	Untold []string
}

// Key is a repository whose wrapped key is entered.
type Key struct {
	Name string // in the catalog
	In   *rescue.Opened
}

// planner gathers a plan. The newest recovery point decides about each document.
type planner struct {
	now       time.Time
	plan      Plan
	seen      map[string]bool // kind and key of documents that are planned
	points    map[string]*backup.RecoveryPoint
	order     []string          // keys of points, newest first
	days      map[string]string // of points that the policy tagged, by key, see dayOf
	keys      map[string]bool
	container map[string]bool
	untold    map[string]bool
}

// Make plans from recovery points. now begins the grace.
func Make(points []rescue.Point, now time.Time) Plan {
	p := &planner{now: now, seen: map[string]bool{}, points: map[string]*backup.RecoveryPoint{}, keys: map[string]bool{},
		container: map[string]bool{}, untold: map[string]bool{}, days: map[string]string{}}
	newest := slices.Clone(points)
	slices.SortStableFunc(newest, func(a, b rescue.Point) int { return b.Created.Compare(a.Created) })
	for _, point := range newest {
		p.add(point)
	}
	p.oneADay()
	for _, id := range p.order {
		slices.SortFunc(p.points[id].Stores, func(a, b backup.RecoveryStore) int { return strings.Compare(string(a.Tier), string(b.Tier)) })
		p.plan.Points = append(p.plan.Points, *p.points[id])
	}
	return p.plan
}

// Stopped is the plan with the protection of every instance stopped. What became of an
// instance after its last backup is not in the buckets: it may have been stopped, or
// deleted to be kept for some days. Stopped, nothing of it is backed up and nothing
// expires until a person resumes it, or deletes it again.
func (p Plan) Stopped() Plan {
	p.Instances, p.Untold = slices.Clone(p.Instances), slices.Clone(p.Untold)
	for i := range p.Instances {
		p.Instances[i].Protection = backup.ProtectionStopped
	}
	if len(p.Instances) > 0 {
		p.Untold = append(p.Untold, "whether instances were stopped, suspended or deleted after their last backup: the protection of all is stopped; "+
			"resume it (holdfast backup-instance resume-protection), or delete again what was deleted")
	}
	return p
}

func (p *planner) cannot(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !p.untold[text] {
		p.untold[text] = true
		p.plan.Untold = append(p.plan.Untold, text)
	}
}

// add plans everything that one recovery point tells of.
func (p *planner) add(point rescue.Point) {
	if point.Err != nil {
		p.cannot("recovery point %s in %s cannot be read and is left out: %v", point.ID, point.In.Place, point.Err)
		return
	}
	text := point.Facts[agentv1.FactKept]
	if text == "" {
		p.cannot("instance %s: recovery point %s in %s was made by a version that kept nothing of the catalog; 'holdfast rescue extract' reads it", point.Instance, point.ID, point.In.Place)
		return
	}
	kept, err := backup.ParseKeepsake(text)
	if err != nil {
		p.cannot("recovery point %s in %s: %v", point.ID, point.In.Place, err)
		return
	}
	tier, keyName, ok := lies(point, kept)
	if !ok {
		p.cannot("repository %s of instance %s does not lie where the service looks for it (%s or %s): give the store so that it does",
			point.In.Place, kept.Instance.ID, workflow.VaultPrefix(&kept.Vault, kept.Instance.UID), workflow.OperationalPrefix(kept.Instance.UID))
		return
	}
	if !p.keys[keyName] {
		p.keys[keyName] = true
		p.plan.Keys = append(p.plan.Keys, Key{keyName, point.In})
	}
	p.documents(kept)
	p.point(point, kept, tier)
}

// lies says which tier a recovery point is in by the place of its repository.
func lies(point rescue.Point, kept backup.Keepsake) (tier backup.Tier, keyName string, ok bool) {
	uid := kept.Instance.UID
	switch point.In.Prefix {
	case workflow.VaultPrefix(&kept.Vault, uid):
		return backup.TierVault, workflow.VaultKeyName(uid), true
	case workflow.OperationalPrefix(uid):
		return backup.TierOperational, uid, true
	}
	return "", "", false
}

// first says whether a document is met for the first time.
func (p *planner) first(kind, id string) bool {
	key := kind + " " + backup.Key(id)
	again := p.seen[key]
	p.seen[key] = true
	return !again
}

// documents plans what stands above the recovery points.
func (p *planner) documents(kept backup.Keepsake) {
	if p.first("vault", kept.Vault.ID) {
		p.plan.Vaults = append(p.plan.Vaults, kept.Vault)
		p.group(groupOf(kept.Vault.ID), kept.Vault.Location)
	}
	if kept.Policy != nil && p.first("policy", kept.Policy.ID) {
		p.plan.Policies = append(p.plan.Policies, *kept.Policy)
	}
	if !p.first("instance", kept.Instance.ID) {
		return
	}
	if u := kept.UserIdentity; u != nil && p.first("user identity", u.ID) {
		p.plan.Identities = append(p.plan.Identities, *u)
		p.group(groupOf(u.ID), kept.Vault.Location)
	}
	kept.Instance.State = backup.StateSucceeded
	p.plan.Instances = append(p.plan.Instances, kept.Instance)
	p.group(kept.Instance.SnapshotGroupID, kept.Vault.Location)
	p.cannot("cluster %s of instance %s: connect it again, install the extension, and assign the roles and trusted access again", kept.Instance.Datasource.ID, kept.Instance.Name())
	if kept.ContainerID != "" && !p.container[backup.Key(kept.ContainerID)] {
		p.container[backup.Key(kept.ContainerID)] = true
		p.cannot("container %s: create its storage account again with its store and key, then the container; what is stored in it is found again", kept.ContainerID)
	}
}

// group plans a resource group and its subscription. Where a group is, nobody
// kept; it is taken to be where the vault is.
func (p *planner) group(id, location string) {
	if id == "" || !p.first("group", id) {
		return
	}
	p.plan.Groups = append(p.plan.Groups, inventory.ResourceGroup{Meta: backup.Meta{ID: id, Location: location, State: backup.StateSucceeded}})
	subscription := backup.ParentID(id)
	if p.first("subscription", subscription) {
		p.plan.Subscriptions = append(p.plan.Subscriptions, inventory.Subscription{
			Meta: backup.Meta{ID: subscription}, DisplayName: "Rescued"})
	}
}

// groupOf is the resource group's part of an id.
func groupOf(id string) string {
	parts := strings.Split(id, "/")
	if len(parts) < 5 {
		return ""
	}
	return strings.Join(parts[:5], "/")
}

// point plans the entry of a recovery point, or its second place.
func (p *planner) point(at rescue.Point, kept backup.Keepsake, tier backup.Tier) {
	id := kept.Instance.ID + "/recoveryPoints/" + at.ID
	key := backup.Key(id)
	if p.points[key] == nil {
		p.points[key] = p.entry(id, at, kept)
		p.days[key] = dayOf(kept)
		p.order = append(p.order, key)
	}
	store, rule := p.store(at, kept, tier)
	entry := p.points[key]
	if rule != "" {
		entry.Tag = rule
	}
	if tier == backup.TierOperational {
		entry.Volumes, entry.Partial = volumes(at), partial(at)
		if kept.ContainerID == "" {
			return
		}
	}
	entry.AddStore(store)
	p.leftOut(entry, at, tier)
}

func (p *planner) entry(id string, at rescue.Point, kept backup.Keepsake) *backup.RecoveryPoint {
	entry := &backup.RecoveryPoint{
		Meta: backup.Meta{ID: id, System: backup.SystemData{CreatedAt: at.Created}}, Time: at.Created, Partial: partial(at),
		PolicyID: kept.Instance.PolicyID, Tag: kept.Tag, TagVersion: workflow.TagVersion(at.Created), Tagging: kept.Tagging, JobID: kept.JobID,
		Namespaces: slices.Sorted(slices.Values(at.Namespaces())), Objects: at.Objects(), Volumes: volumes(at),
	}
	if kept.Policy != nil {
		entry.PolicyID = kept.Policy.ID
	}
	return entry
}

// store is one place of a recovery point, and the retention rule it is under.
func (p *planner) store(at rescue.Point, kept backup.Keepsake, tier backup.Tier) (backup.RecoveryStore, string) {
	bytes, _ := strconv.ParseInt(at.Facts["bytesStored"], 10, 64) // other writers may not tell
	s := backup.RecoveryStore{ID: workflow.StoreID(at.ID, tier), Tier: tier, Created: at.Created, Prefix: at.In.Prefix, Root: at.Root, Bytes: bytes}
	if tier == backup.TierOperational {
		s.ContainerID, s.Onward = kept.ContainerID, onward(at, kept)
	}
	stay, rule, known := stayOf(kept, tier)
	if !known {
		p.cannot("policy of instance %s: how long its recovery points stay in the %s is not told; they are kept", kept.Instance.Name(), tier)
		return s, rule
	}
	period, err := backup.ParsePeriod(stay)
	if stay == "" || err != nil {
		return s, rule
	}
	s.Expires = period.After(at.Created)
	if soonest := p.now.Add(Grace); s.Expires.Before(soonest) {
		p.cannot("recovery point %s would leave the %s on %s: it is kept until %s", at.ID, tier, s.Expires.Format(time.DateOnly), soonest.Format(time.DateOnly))
		s.Expires = soonest
	}
	return s, rule
}

// onward is the copy to the vault that was planned for later, nil when none was.
// The one that is there already is taken for it.
func onward(at rescue.Point, kept backup.Keepsake) *backup.Onward {
	if kept.Policy == nil {
		return nil
	}
	terms, err := retention.TermsOf(kept.Policy, kept.Tag)
	if err != nil || terms.Due(at.Created).IsZero() {
		return nil
	}
	return &backup.Onward{Due: terms.Due(at.Created), DeleteAfter: terms.Vault.Stay.Text}
}

// stayOf is how long a recovery point stays in a tier; empty for good.
func stayOf(kept backup.Keepsake, tier backup.Tier) (stay, rule string, known bool) {
	if kept.Policy == nil {
		return "", "", false
	}
	found, ok := kept.Policy.RetentionOf(kept.Tag)
	if !ok {
		return "", "", false
	}
	if tier == backup.TierVault {
		return kept.Policy.VaultOnDemand(found).DeleteAfter, found.Name, true
	}
	return kept.Policy.OperationalStay(found), found.Name, true
}

func partial(at rescue.Point) bool {
	for _, v := range at.Volumes {
		if !v.Protected {
			return true
		}
	}
	return len(at.Warnings) > 0
}

func volumes(at rescue.Point) (all []backup.RecoveryVolume) {
	for _, v := range at.Volumes {
		all = append(all, backup.RecoveryVolume{Namespace: v.Namespace, Claim: v.Claim, Protected: v.Protected, Reason: v.ReasonCode, SizeBytes: v.SizeBytes})
	}
	return all
}

// leftOut notes, when both places are known, what the vault does not have.
func (p *planner) leftOut(entry *backup.RecoveryPoint, at rescue.Point, tier backup.Tier) {
	if tier != backup.TierVault {
		return
	}
	for i := range entry.Stores {
		if entry.Stores[i].Tier != tier {
			continue
		}
		for _, v := range at.Volumes {
			if !v.Protected && v.SnapshotHandle != "" { // the operational tier has it
				entry.Stores[i].LeftOut = append(entry.Stores[i].LeftOut,
					backup.RecoveryVolume{Namespace: v.Namespace, Claim: v.Claim, Reason: v.ReasonCode, SizeBytes: v.SizeBytes})
			}
		}
	}
}
