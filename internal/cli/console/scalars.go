package console

import "sort"

// scalars returns the values of an object in order of their keys, nested ones
// left out, as tsv output does.
func scalars(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k, v := range m {
		switch v.(type) {
		case map[string]any, []any:
		default:
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = cell(m[k])
	}
	return out
}
