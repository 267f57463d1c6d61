package schedule

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // so that no zone data of the system is needed
)

// Zone returns the time zone of a name, as Windows has it, in any case, or the IANA
// database, of whose names only the main ones are known in any case; empty means UTC.
// The error for an unknown one names those that are spelled most alike.
func Zone(name string) (*time.Location, error) {
	name = strings.TrimSpace(name)
	if name == "" || strings.EqualFold(name, "Coordinated Universal Time") || strings.EqualFold(name, "Z") {
		return time.UTC, nil
	}
	for windows, iana := range windowsZones {
		if strings.EqualFold(windows, name) || strings.EqualFold(iana, name) {
			name = iana
			break
		}
	}
	if ofMachine.MatchString(name) {
		return nil, unknown(name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknown(name)
	}
	return zone, nil
}

// ofMachine are names that mean something only where they are read: the zone this
// machine is in, and files that some systems keep beside the zones.
var ofMachine = regexp.MustCompile(`(?i)^(local|localtime|posixrules|(right|posix)/.*)$`)

func unknown(name string) error {
	return fmt.Errorf("time zone %q is not known, neither to Windows nor to the IANA database; did you mean %s?",
		name, strings.Join(alike(name, 3), ", "))
}

// alike returns the n names that are spelled most like one.
func alike(name string, n int) []string {
	known := slices.Concat(slices.Collect(maps.Keys(windowsZones)), slices.Collect(maps.Values(windowsZones)))
	slices.SortFunc(known, func(a, b string) int {
		return cmp.Or(cmp.Compare(unlikeness(name, a), unlikeness(name, b)), cmp.Compare(a, b))
	})
	known = slices.Compact(known)
	for i, k := range known[:n] {
		known[i] = fmt.Sprintf("%q", k)
	}
	return known[:n]
}

// longestName bounds what an unknown name, which anybody may send, costs.
const longestName = 64

// unlikeness counts the letters to be changed, put in or left out to get from
// one name to the other. The city alone of an IANA name is enough.
func unlikeness(name, known string) int {
	name, known = strings.ToLower(name), strings.ToLower(known)
	name = name[:min(len(name), longestName)]
	best := edits(name, known)
	if _, city, ok := strings.Cut(known, "/"); ok {
		best = min(best, 1+edits(strings.ReplaceAll(name, " ", "_"), city))
	}
	return best
}

func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, corner+1, row[j]+1)
		}
	}
	return row[len(b)]
}
