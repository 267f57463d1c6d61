package collect

import (
	"regexp"
	"strings"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// TypeFilter decides which kinds a selection means.
type TypeFilter struct {
	included, excluded []typeName
}

// typeName is one written resource type. It matches by kind or by plural, in
// one group or, when it was written without one, in any.
type typeName struct {
	group    string
	anyGroup bool
	name     string // lower case
}

var version = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?$`)

// NewTypeFilter reads the resource types of a selection. Versions are ignored;
// case is too.
func NewTypeFilter(selection agentv1.Selection) TypeFilter {
	return TypeFilter{
		included: parseTypes(selection.IncludedResourceTypes),
		excluded: parseTypes(selection.ExcludedResourceTypes),
	}
}

// Match says whether objects of a kind are selected.
func (f TypeFilter) Match(r Resource) bool {
	return !f.Excludes(r) && (len(f.included) == 0 || matchAny(f.included, r))
}

// Excludes says whether a kind is left out by name, so that it must not even be
// taken along with what needs it.
func (f TypeFilter) Excludes(r Resource) bool { return matchAny(f.excluded, r) }

func matchAny(names []typeName, r Resource) bool {
	for _, n := range names {
		sameGroup := n.anyGroup || n.group == strings.ToLower(r.Group)
		if sameGroup && (n.name == strings.ToLower(r.Kind) || n.name == r.Name) {
			return true
		}
	}
	return false
}

func parseTypes(written []string) []typeName {
	var names []typeName
	for _, w := range written {
		if w = strings.ToLower(strings.TrimSpace(w)); w != "" {
			names = append(names, parseType(w))
		}
	}
	return names
}

func parseType(w string) typeName {
	switch parts := strings.Split(w, "/"); len(parts) {
	case 3: // apps/v1/Deployment
		return typeName{group: parts[0], name: parts[2]}
	case 2: // v1/Secret, apps/Deployment
		if version.MatchString(parts[0]) {
			return typeName{name: parts[1]}
		}
		return typeName{group: parts[0], name: parts[1]}
	}
	if name, group, found := strings.Cut(w, "."); found { // deployments.apps
		return typeName{group: group, name: name}
	}
	return typeName{anyGroup: true, name: w} // Secret, secrets
}
