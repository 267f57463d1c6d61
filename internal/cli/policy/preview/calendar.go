package preview

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/retention"
)

// show prints a forecast: for programs as it is, for people as a calendar.
func show(c *console.Console, f *forecast, points bool) error {
	if !c.ForPeople() {
		return c.Print(f)
	}
	fmt.Fprintf(c.Out, "What %s has kept at the end of %s,\nwhen every backup since %s has succeeded (%s).\n\n",
		called(f.Policy), f.At.Format("Monday 2006-01-02"), f.From.Format(time.DateOnly), f.TimeZone)
	writeTags(c.Out, f)
	writeTiers(c.Out, f)
	writeCalendar(c.Out, f)
	if points {
		writePoints(c.Out, f)
	}
	return nil
}

func called(policy string) string {
	if policy == document {
		return "the policy"
	}
	return "policy " + policy
}

func table(w io.Writer, titles string, rows func(*tabwriter.Writer)) {
	t := tabwriter.NewWriter(w, 2, 4, 3, ' ', 0)
	fmt.Fprintln(t, titles)
	rows(t)
	_ = t.Flush() // to a console
	fmt.Fprintln(w)
}

func writeTags(w io.Writer, f *forecast) {
	table(w, "TAG\tTIER\tDELETE AFTER\tRECOVERY POINTS\tOLDEST\tNEXT DELETED", func(t *tabwriter.Writer) {
		for _, r := range f.Tags {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", r.Tag, r.Tier, r.DeleteAfter, r.Points, minute(r.Oldest, "-"), minute(r.NextDeleted, "-"))
		}
	})
}

func writeTiers(w io.Writer, f *forecast) {
	for _, t := range f.Tiers {
		fmt.Fprintf(w, "%s: %d recovery points, at most %d (first on %s)", t.Tier, t.Points, t.Most, t.MostFrom.Format(time.DateOnly))
		if t.Limit > 0 {
			fmt.Fprintf(w, "; each is a snapshot of every disk, of which Azure allows %d a disk", t.Limit)
		}
		fmt.Fprintln(w)
		if t.Warning != "" {
			fmt.Fprintf(w, "warning: %s\n", t.Warning)
		}
	}
	fmt.Fprintln(w)
}

func minute(t time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return t.Format("2006-01-02 15:04")
}

func writePoints(w io.Writer, f *forecast) {
	table(w, "TAKEN\tTAG\tOPERATIONAL UNTIL\tVAULT UNTIL", func(t *tabwriter.Writer) {
		for _, p := range f.Points {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Taken.Format("Mon 2006-01-02 15:04"), p.Tag, p.Operational.text(), p.Vault.text())
		}
	})
}

// text says until when; a star marks what has outlived it.
func (p *placed) text() string {
	switch {
	case p == nil:
		return ""
	case p.outlived():
		return minute(p.Until, "for good") + " *"
	default:
		return minute(p.Until, "for good")
	}
}

func (p *placed) outlived() bool { return !p.Until.IsZero() && p.Reason != string(retention.Running) }

// writeCalendar shows a line for each month and a sign for each day of which
// something is there.
func writeCalendar(w io.Writer, f *forecast) {
	if len(f.Points) == 0 {
		return
	}
	signs, legend := signsOf(f)
	days := map[string]byte{}
	for i := range f.Points {
		p := &f.Points[i]
		day := p.Taken.Format(time.DateOnly)
		sign := signs[p.Tag].sign
		if p.Vault == nil {
			sign = lower(sign)
		}
		if old, set := days[day]; !set || rank(signs, sign) < rank(signs, old) {
			days[day] = sign
		}
	}
	fmt.Fprintf(w, "The days of which there is a recovery point:\n%s\n\n         ", legend)
	for d := 1; d <= 31; d++ {
		fmt.Fprintf(w, "%3d", d)
	}
	fmt.Fprintln(w)
	first := f.Points[0].Taken
	for month := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, f.At.Location()); !month.After(f.At); month = month.AddDate(0, 1, 0) {
		writeMonth(w, month, days)
	}
	fmt.Fprintln(w)
}

func writeMonth(w io.Writer, month time.Time, days map[string]byte) {
	line := strings.Builder{}
	found := false
	for day := month; day.Month() == month.Month(); day = day.AddDate(0, 0, 1) {
		sign, set := days[day.Format(time.DateOnly)]
		if !set {
			sign = '.'
		}
		found = found || set
		fmt.Fprintf(&line, "%3c", sign)
	}
	if found { // years of which nothing is left would fill pages
		fmt.Fprintf(w, "%s  %s\n", month.Format("2006-01"), line.String())
	}
}

// tagSign is how a tag is shown; the lower rank is shown in its stead.
type tagSign struct {
	sign byte
	rank int
}

// signsOf gives every tag a letter of its own, in the order of the stay: the
// longest is shown where there are several.
func signsOf(f *forecast) (signs map[string]tagSign, legend string) {
	signs = map[string]tagSign{}
	taken := map[byte]bool{}
	var lines []string
	for _, tag := range tagOrder(f) {
		sign := freeLetter(tag, taken)
		taken[sign] = true
		signs[tag] = tagSign{sign, len(signs)}
		lines = append(lines, fmt.Sprintf("%c %s", sign, tag))
	}
	return signs, "  " + strings.Join(lines, ", ") + "; capitals are in the VaultStore, small letters in the OperationalStore only"
}

// tagOrder lists the tags, those that are kept longest first.
func tagOrder(f *forecast) []string {
	longest := map[string]float64{}
	var order []string
	for _, t := range f.Tags {
		if _, seen := longest[t.Tag]; !seen {
			order = append(order, t.Tag)
		}
		days := 1e9 // for good
		if period, err := backup.ParsePeriod(t.DeleteAfter); err == nil {
			days = period.ApproxDays()
		}
		longest[t.Tag] = max(longest[t.Tag], days)
	}
	slices.SortStableFunc(order, func(a, b string) int { return int(longest[b] - longest[a]) })
	return order
}

func freeLetter(tag string, taken map[byte]bool) byte {
	if strings.EqualFold(tag, "Default") {
		return '+'
	}
	for _, r := range strings.ToUpper(tag) + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		if r >= 'A' && r <= 'Z' && !taken[byte(r)] {
			return byte(r)
		}
	}
	return '?'
}

func lower(sign byte) byte {
	if sign >= 'A' && sign <= 'Z' {
		return sign + 'a' - 'A'
	}
	return sign
}

// rank orders signs: a capital before its small letter.
func rank(signs map[string]tagSign, sign byte) int {
	for _, s := range signs {
		switch sign {
		case s.sign:
			return 2 * s.rank
		case lower(s.sign):
			return 2*s.rank + 1
		}
	}
	return 2 * len(signs)
}
