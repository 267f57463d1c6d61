package provider

import (
	"slices"
	"strings"
	"time"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/resourceid"
)

// envelope shows the common part of a resource.
func envelope(m *backup.Meta) v1.Resource {
	id := resourceid.MustParse(m.ID) // it was made from a parsed id
	return v1.Resource{
		ID: m.ID, Name: m.Name(), Type: id.Type(), Location: m.Location, Tags: m.Tags,
		SystemData: systemData(m.System),
	}
}

func systemData(s backup.SystemData) *v1.SystemData {
	if s.CreatedAt.IsZero() {
		return nil
	}
	return &v1.SystemData{
		CreatedBy: s.CreatedBy, CreatedByType: "Application", CreatedAt: arm.FormatTime(s.CreatedAt),
		LastModifiedBy: s.ChangedBy, LastModifiedByType: "Application", LastModifiedAt: arm.FormatTime(s.ChangedAt),
	}
}

// stamp fills the common part of a document that r writes. old is what is
// stored, nil when the resource is new; its id keeps its spelling.
func stamp(m, old *backup.Meta, r *arm.Request, now time.Time) {
	who := r.Principal.Name
	if who == "" {
		who = r.Principal.ObjectID
	}
	if old != nil {
		m.ID, m.System = old.ID, old.System
	} else {
		m.ID, m.System = r.ID.String(), backup.SystemData{CreatedBy: who, CreatedAt: now}
	}
	m.System.ChangedBy, m.System.ChangedAt = who, now
}

// plainLocation is how regions are stored and shown: "East US" as "eastus".
func plainLocation(l string) string {
	return strings.ToLower(strings.ReplaceAll(l, " ", ""))
}

// pickEnum returns the canonical spelling of a value, as backup.OneOf.
func pickEnum(target, value string, allowed ...string) (string, error) {
	picked, err := backup.OneOf(target, value, allowed...)
	return picked, refused(err)
}

// expectObject checks the discriminator of an object, as backup.ExpectObject.
func expectObject(target, value string, allowed ...string) (string, error) {
	kind, err := backup.ExpectObject(target, value, allowed...)
	return kind, refused(err)
}

func required(target string) error { return refuse(backup.Required(target)) }

// identityFrom reads the identity of a body; old keeps its principal.
func identityFrom(in *v1.Identity, old backup.Identity) (backup.Identity, error) {
	if in == nil {
		return backup.Identity{}, nil
	}
	kind, problem := backup.ParseIdentityType(in.Type)
	if problem != nil {
		return backup.Identity{}, refuse(problem)
	}
	out := backup.Identity{Type: kind}
	for id := range in.UserAssignedIdentities {
		out.UserAssigned = append(out.UserAssigned, id)
	}
	slices.Sort(out.UserAssigned)
	if out.HasSystem() {
		out.PrincipalID = old.PrincipalID
		if out.PrincipalID == "" {
			out.PrincipalID = newGUID()
		}
	}
	return out, nil
}

// identityTo shows an identity; attached finds the user-assigned ones.
func (p *Provider) identityTo(i backup.Identity, attached map[string]backup.UserIdentity) *v1.Identity {
	if i.Type == "" {
		return nil
	}
	out := &v1.Identity{Type: i.Type}
	if i.HasSystem() {
		out.PrincipalID, out.TenantID = i.PrincipalID, p.TenantID
	}
	for _, id := range i.UserAssigned {
		if out.UserAssignedIdentities == nil {
			out.UserAssignedIdentities = map[string]*v1.UserAssignedIdentityRef{}
		}
		found := attached[backup.Key(id)]
		out.UserAssignedIdentities[id] = &v1.UserAssignedIdentityRef{ClientID: found.ClientID, PrincipalID: found.PrincipalID}
	}
	return out
}

func facing(p *backup.Problem) *v1.UserFacingError {
	if p == nil {
		return nil
	}
	actions := p.Actions
	if actions == nil {
		actions = []string{}
	}
	return &v1.UserFacingError{
		Code: string(p.Code), Message: p.Message, Target: p.Target, IsRetryable: p.Retryable,
		IsUserError: p.Code != backup.CodeInternal, RecommendedAction: actions,
	}
}
