package restore

// child, list and text read decoded JSON; what is absent or of another type
// is empty.

func child(m map[string]any, path ...string) map[string]any {
	for _, name := range path {
		m, _ = m[name].(map[string]any)
	}
	return m
}

func list(m map[string]any, path ...string) []any {
	last := len(path) - 1
	items, _ := child(m, path[:last]...)[path[last]].([]any)
	return items
}

func text(m map[string]any, path ...string) string {
	last := len(path) - 1
	s, _ := child(m, path[:last]...)[path[last]].(string)
	return s
}

func texts(m map[string]any) map[string]string {
	out := make(map[string]string, len(m))
	for key, value := range m {
		if s, ok := value.(string); ok {
			out[key] = s
		}
	}
	return out
}
