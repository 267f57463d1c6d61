package restore

import (
	"fmt"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/restore/transform"
)

// item decides what to do with one selected object.
func (p *planner) item(entry *Entry) *Item {
	kind := p.kindOf(entry)
	rules := transform.Rules{Namespaces: p.restore.NamespaceMappings}
	item := &Item{Entry: entry, Target: targetOf(entry, rules.Namespace), Resource: kind.Resource, Action: Create}
	if reason := p.left(entry); reason != nil {
		item.Action, item.Reason = Skip, *reason
		return item
	}
	if reason := unserved(entry, kind); reason != nil {
		item.Action, item.Reason = Refuse, *reason
		return item
	}
	item.Fill, item.Reason = p.fill(entry)
	if object, exists := p.live.Objects[item.Target.key()]; exists {
		p.conflict(item, object)
	}
	return item
}

// targetOf is where an object goes.
func targetOf(entry *Entry, mapped func(string) string) Ref {
	target := entry.Ref
	target.Namespace = mapped(target.Namespace)
	if isKind(entry, "", "Namespace") {
		target.Name = mapped(target.Name)
	}
	return target
}

// left is why an object is left out because of what it is.
func (p *planner) left(entry *Entry) *Reason {
	if entry.Facts.Leave != nil {
		return entry.Facts.Leave
	}
	if isKind(entry, "", "Endpoints") && p.filled[entry.Namespace+"/"+entry.Name] {
		return &Reason{Code: codeDerivedEndpoints, Message: "the cluster fills it from the Service's selector"}
	}
	return nil
}

func unserved(entry *Entry, kind kind) *Reason {
	if kind.Resource == "" {
		return &Reason{Code: codeKindNotServed, Warn: true, Message: fmt.Sprintf(
			"this cluster has no kind %s and the recovery point brings no definition of it", entry.Resource())}
	}
	if !kind.serves(entry.Version) {
		return &Reason{Code: codeVersionNotServed, Warn: true, Message: fmt.Sprintf(
			"this cluster serves %s in %s, not in %s", entry.Resource(), strings.Join(kind.Versions, ", "), entry.Version)}
	}
	return nil
}

// fill finds the data of a claim, and warns when it has none to give.
func (p *planner) fill(entry *Entry) (*agentv1.Volume, Reason) {
	if !isKind(entry, "", "PersistentVolumeClaim") || !p.restore.RestoreVolumeData {
		return nil, Reason{}
	}
	volume, known := p.archive.Volumes[entry.Namespace+"/"+entry.Name]
	if known && volume.State == agentv1.VolumeProtected && (volume.SnapshotHandle != "" || volume.Stream != "") {
		return &volume, Reason{}
	}
	why := "the recovery point has no snapshot of it"
	if volume.ReasonCode != "" {
		why = strings.TrimSpace(volume.ReasonCode + " " + volume.Reason)
	}
	return nil, Reason{Code: codeNoData, Warn: true, Message: "the claim is restored empty: " + why}
}

// conflict decides about an object that exists already.
func (p *planner) conflict(item *Item, object Object) {
	if object.Made {
		item.Action = Resume
		return
	}
	unfilled := item.Fill != nil
	item.Fill = nil
	item.Reason = Reason{Code: codeExists, Message: "it exists and was left as it is"}
	entry := item.Entry
	switch {
	case isKind(entry, "apiextensions.k8s.io", "CustomResourceDefinition"):
		// Whichever is newer: an older definition over it would drop fields.
		item.Action = Skip
		item.Reason = Reason{Code: codeDefinitionExists, Message: "a definition that exists is never replaced"}
	case isKind(entry, "", "ServiceAccount"):
		item.Action, item.Reason = Merge, Reason{}
	case p.restore.ConflictPolicy == agentv1.ConflictPatch && !p.bareNamespace(entry):
		item.Action, item.Reason = Patch, Reason{}
	default:
		item.Action = Skip
	}
	if unfilled {
		item.Reason = Reason{Code: codeNoData, Warn: true, Message: "it exists, and a claim that exists is never filled: its data was not restored"}
	}
}

// bareNamespace: a namespace with no object in the archive has nothing to patch with.
func (p *planner) bareNamespace(entry *Entry) bool {
	return isKind(entry, "", "Namespace") && entry.at == (place{})
}
