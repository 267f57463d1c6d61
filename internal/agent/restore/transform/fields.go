package transform

import "strings"

// GroupKind returns an object's API group, empty for the core, and its kind.
func GroupKind(body map[string]any) (group, kind string) {
	version, _ := body["apiVersion"].(string)
	kind, _ = body["kind"].(string)
	if i := strings.IndexByte(version, '/'); i >= 0 {
		group = version[:i]
	}
	return group, kind
}

// child returns the map at a path, or nil.
func child(m map[string]any, path ...string) map[string]any {
	for _, name := range path {
		m, _ = m[name].(map[string]any)
	}
	return m
}

// list returns the list at a path, or nil.
func list(m map[string]any, path ...string) []any {
	last := len(path) - 1
	items, _ := child(m, path[:last]...)[path[last]].([]any)
	return items
}

// text returns the string at a path, or "".
func text(m map[string]any, path ...string) string {
	last := len(path) - 1
	s, _ := child(m, path[:last]...)[path[last]].(string)
	return s
}

// drop removes fields, and then the map itself from its parent when nothing
// is left in it.
func drop(parent map[string]any, field string, names ...string) {
	m := child(parent, field)
	if m == nil {
		return
	}
	for _, name := range names {
		delete(m, name)
	}
	if len(m) == 0 {
		delete(parent, field)
	}
}

// keepItems replaces the list at field by the items for which keep is true,
// and removes the field when none is left.
func keepItems(m map[string]any, field string, keep func(any) bool) {
	items, ok := m[field].([]any)
	if !ok {
		return
	}
	kept := make([]any, 0, len(items))
	for _, item := range items {
		if keep(item) {
			kept = append(kept, item)
		}
	}
	if len(kept) == 0 {
		delete(m, field)
		return
	}
	m[field] = kept
}
