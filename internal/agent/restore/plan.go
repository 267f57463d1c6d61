package restore

import (
	"cmp"
	"fmt"
	"slices"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/order"
)

// Action is what a restore means to do with one object.
type Action string

// Actions.
const (
	Create Action = "Create"
	Patch  Action = "Patch"  // it exists: set its mutable fields
	Merge  Action = "Merge"  // it exists: add what it lacks
	Resume Action = "Resume" // this very restore created it before it was interrupted
	Skip   Action = "Skip"
	Refuse Action = "Refuse" // it cannot be restored here
)

// Item is one object of a plan.
type Item struct {
	Entry    *Entry
	Target   Ref
	Resource string // plural, as in a path
	Action   Action
	Reason   Reason
	// Fill is the volume whose data a claim gets; nil when it stays empty.
	Fill *agentv1.Volume
	// Level orders owners before what they own inside one stage.
	Level int
}

// Stage is what is done at the same time.
type Stage struct {
	Order order.Stage
	Items []*Item
}

// Plan says what restoring an archive into a cluster would do: every selected
// object with an action and a reason, in the order in which they are applied.
// It changes nothing and depends on nothing else; a dry run is a plan.
func Plan(archive *Archive, live Live, restore agentv1.Restore, own string) ([]Stage, error) {
	chosen, err := newSelection(restore.Selection, own)
	if err != nil {
		return nil, err
	}
	p := &planner{archive: archive, live: live, restore: restore, chosen: chosen}
	p.readArchive()
	var items []*Item
	for _, entry := range p.selected() {
		items = append(items, p.item(entry))
	}
	refuseShared(items)
	p.levels(items)
	return stages(items), nil
}

// refuseShared finds objects of two namespaces that a mapping sends to the same
// place: the first in the archive gets it, the other is refused by name. Two
// namespaces may share one.
func refuseShared(items []*Item) {
	first := map[string]*Item{}
	for _, item := range items {
		key := item.Target.key()
		other := first[key]
		switch {
		case item.Action == Skip || item.Action == Refuse:
		case other == nil:
			first[key] = item
		case isKind(item.Entry, "", "Namespace"):
			item.Action, item.Reason = Skip, Reason{Code: codeTargetShared, Message: "it is restored into the same namespace as " + other.Entry.Name}
		default:
			item.Action, item.Fill = Refuse, nil
			item.Reason = Reason{Code: codeTargetShared, Warn: true, Message: fmt.Sprintf("%s is restored to the same place", other.Entry.Ref)}
		}
	}
}

type planner struct {
	archive *Archive
	live    Live
	restore agentv1.Restore
	chosen  selection

	definitions map[string]*Definition // in the archive, by "group/Kind"
	filled      map[string]bool        // "namespace/name" of Services with a selector
	brings      map[string]bool        // definitions this restore will create, by "group/Kind"
}

func (p *planner) readArchive() {
	p.definitions, p.filled, p.brings = map[string]*Definition{}, map[string]bool{}, map[string]bool{}
	for _, entry := range p.archive.Entries {
		if d := entry.Facts.Definition; d != nil {
			p.definitions[d.Group+"/"+d.Kind] = d
		}
		if entry.Facts.HasSelector {
			p.filled[entry.Namespace+"/"+entry.Name] = true
		}
	}
}

// kindOf finds how a kind is, or will be, served.
func (p *planner) kindOf(entry *Entry) kind {
	name := entry.Group + "/" + entry.Kind
	if served, ok := p.live.Kinds[name]; ok {
		return served
	}
	if d := p.definitions[name]; d != nil && p.brings[name] {
		return kind{Resource: d.Resource, Namespaced: d.Namespaced, Versions: d.Versions}
	}
	return kind{}
}

// selected is what the restore is about: what was asked for, the namespaces it
// lies in, and the definitions of custom resources that nothing serves yet.
func (p *planner) selected() []*Entry {
	var chosen []*Entry
	namespaces := map[string]bool{}
	for _, entry := range p.archive.Entries {
		if isKind(entry, "", "Namespace") || !p.chosen.match(entry, p.live.Kinds[entry.Group+"/"+entry.Kind]) {
			continue
		}
		chosen = append(chosen, entry)
		if entry.Namespace != "" {
			namespaces[entry.Namespace] = true
		}
	}
	chosen = append(chosen, p.neededDefinitions(chosen)...)
	chosen = append(chosen, p.neededNamespaces(namespaces)...)
	for _, entry := range chosen {
		if d := entry.Facts.Definition; d != nil {
			p.brings[d.Group+"/"+d.Kind] = true
		}
	}
	return chosen
}

func (p *planner) neededDefinitions(chosen []*Entry) []*Entry {
	missing, has := map[string]bool{}, map[*Entry]bool{}
	for _, entry := range chosen {
		has[entry] = true
		name := entry.Group + "/" + entry.Kind
		if _, served := p.live.Kinds[name]; !served && p.definitions[name] != nil {
			missing[name] = true
		}
	}
	var needed []*Entry
	for _, entry := range p.archive.Entries {
		d := entry.Facts.Definition
		if d != nil && missing[d.Group+"/"+d.Kind] && !has[entry] && !p.chosen.types.Excludes(kind{}.resource(entry)) {
			needed = append(needed, entry)
		}
	}
	return needed
}

// neededNamespaces are those that chosen objects lie in and, where whole
// namespaces are restored, empty ones too. One whose object is not in the
// archive is made bare.
func (p *planner) neededNamespaces(names map[string]bool) []*Entry {
	var needed []*Entry
	whole := len(p.restore.Selection.LabelSelectors) == 0 && len(p.restore.Selection.IncludedResourceTypes) == 0
	for _, entry := range p.archive.Entries {
		if isKind(entry, "", "Namespace") && (names[entry.Name] || whole && p.chosen.namespace(entry.Name)) {
			needed = append(needed, entry)
			delete(names, entry.Name)
		}
	}
	for name := range names {
		needed = append(needed, &Entry{Ref: Ref{Version: "v1", Kind: "Namespace", Name: name}})
	}
	return needed
}

// levels puts owners before what they own, as deep as owners go. Only custom
// resources need it: the owners of everything else are in an earlier stage or
// are linked afterwards.
func (p *planner) levels(items []*Item) {
	byUID := map[string]*Item{}
	for _, item := range items {
		if item.Entry.UID != "" {
			byUID[item.Entry.UID] = item
		}
	}
	const unknown, busy = 0, -1
	depth := map[*Item]int{} // one more than the level
	var visit func(item *Item) int
	visit = func(item *Item) int {
		if d := depth[item]; d != unknown {
			return max(d, 1) // busy: a cycle is broken here
		}
		depth[item] = busy
		level := 1
		for _, owner := range item.Entry.Owners {
			if above := byUID[owner.UID]; above != nil && stageOf(above) == stageOf(item) {
				level = max(level, visit(above)+1)
			}
		}
		depth[item] = level
		return level
	}
	for _, item := range items {
		if stageOf(item) == order.Custom {
			item.Level = visit(item) - 1
		}
	}
}

func stageOf(item *Item) order.Stage { return order.Of(item.Target.Group, item.Target.Kind) }

func stages(items []*Item) []Stage {
	all := make([]Stage, len(order.All()))
	for _, stage := range order.All() {
		all[stage].Order = stage
	}
	for _, item := range items {
		stage := &all[stageOf(item)]
		stage.Items = append(stage.Items, item)
	}
	for _, stage := range all {
		slices.SortFunc(stage.Items, func(a, b *Item) int {
			return cmp.Or(a.Level-b.Level, a.Target.compare(b.Target))
		})
	}
	return slices.DeleteFunc(all, func(s Stage) bool { return len(s.Items) == 0 })
}

func isKind(entry *Entry, group, kind string) bool { return entry.Group == group && entry.Kind == kind }
