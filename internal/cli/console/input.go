package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// ReadJSON reads a JSON argument: a file's path, @path, - for standard input,
// or the JSON itself.
func (c *Console) ReadJSON(arg string) (map[string]any, error) {
	var out map[string]any
	return out, c.readInto(arg, &out)
}

// ReadJSONValue is ReadJSON for a value of any shape.
func (c *Console) ReadJSONValue(arg string) (any, error) {
	var out any
	return out, c.readInto(arg, &out)
}

func (c *Console) readInto(arg string, out any) error {
	data, err := c.readArg(arg)
	if err != nil {
		return Usage("%v", err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return Usage("%s is not valid JSON: %v", shorten(arg), err)
	}
	return nil
}

func (c *Console) readArg(arg string) ([]byte, error) {
	trimmed := strings.TrimSpace(arg)
	switch {
	case trimmed == "-":
		return io.ReadAll(c.In)
	case strings.HasPrefix(trimmed, "{"), strings.HasPrefix(trimmed, "["), strings.HasPrefix(trimmed, `"`):
		return []byte(trimmed), nil
	}
	return os.ReadFile(strings.TrimPrefix(arg, "@"))
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// Pairs reads key=value arguments.
func Pairs(args []string) (map[string]string, error) {
	out := make(map[string]string, len(args))
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok || k == "" {
			return nil, Usage("%q is not KEY=VALUE", a)
		}
		out[k] = v
	}
	return out, nil
}

// Last returns the last segment of an ARM id.
func Last(id string) string { return id[strings.LastIndex(id, "/")+1:] }

// Short returns the last two segments of an ARM id, as tables name things:
// "resourceGroups/backup", "managedClusters/prod". The root, "/", stays.
func Short(id string) string {
	parts := strings.Split(strings.Trim(id, "/"), "/")
	return cmp.Or(strings.Join(parts[max(0, len(parts)-2):], "/"), id)
}

// SpreadLists lets list flags take several words, as az does:
// "--roles a b" becomes "--roles=a --roles=b".
func SpreadLists(args []string, lists map[string]bool) []string {
	var out []string
	flag := ""
	taken := false
	for _, a := range args {
		switch {
		case flag != "" && !strings.HasPrefix(a, "-"):
			out, taken = append(out, fmt.Sprintf("%s=%s", flag, a)), true
			continue
		case flag != "" && !taken:
			out = append(out, flag+"=")
		}
		flag, taken = "", false
		if strings.HasPrefix(a, "--") && lists[strings.TrimPrefix(a, "--")] {
			flag = a
			continue
		}
		out = append(out, a)
	}
	if flag != "" && !taken {
		out = append(out, flag+"=")
	}
	return out
}
