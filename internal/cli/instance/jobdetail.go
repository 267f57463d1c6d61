package instance

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// describe writes below the line of a job what it consists of, what it says of
// itself, and its warnings and errors with what to do about them.
func describe(w io.Writer, raw json.RawMessage) error {
	var j job
	if err := json.Unmarshal(raw, &j); err != nil {
		return err
	}
	info := j.Properties.ExtendedInfo
	fmt.Fprintln(w)
	for _, t := range info.SubTasks {
		fmt.Fprintf(w, "%s: %s", t.TaskName, t.TaskStatus)
		for _, more := range []string{t.TaskProgress, took(t.AdditionalDetails["duration"])} {
			if more != "" {
				fmt.Fprintf(w, ", %s", more)
			}
		}
		fmt.Fprintln(w)
	}
	for _, key := range slices.Sorted(maps.Keys(info.AdditionalDetails)) {
		if text := info.AdditionalDetails[key]; text != "" {
			fmt.Fprintf(w, "%s: %s\n", key, text)
		}
	}
	var remedies []string // the same for many warnings: each is said once
	for _, d := range info.WarningDetails {
		fmt.Fprintf(w, "warning: %s: %s (%s)\n", d.ResourceName, d.Warning.Message, d.Warning.Code)
		remedies = append(remedies, d.Warning.RecommendedAction...)
	}
	for _, e := range j.Properties.ErrorDetails {
		fmt.Fprintf(w, "error: %s (%s)\n", e.Message, e.Code)
		remedies = append(remedies, e.RecommendedAction...)
	}
	said := map[string]bool{}
	for _, a := range remedies {
		if !said[a] {
			said[a] = true
			fmt.Fprintln(w, "  what to do:", a)
		}
	}
	return nil
}

// took is how long a part of a job took; empty while it runs.
func took(duration string) string {
	if duration == "" || duration == "PT0S" {
		return ""
	}
	return "took " + duration
}
