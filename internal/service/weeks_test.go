package service_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/retention"
	"holdfast.dev/holdfast/internal/service"
	"holdfast.dev/holdfast/internal/workflow"
	"holdfast.dev/holdfast/test/postgres"
)

// halfDay is the interval of the policy that is lived through.
const halfDay = 12 * time.Hour

// lived are the rules of that policy, the strongest first: what is the first of
// what, and how long it stays in the vault. In the operational tier all stay for
// livedHere.
var lived = []struct{ tag, first, stay string }{
	{"Yearly", "FirstOfYear", "P6W"}, {"Monthly", "FirstOfMonth", "P3W"}, {"Weekly", "FirstOfWeek", "P2W"}, {"Daily", "FirstOfDay", "P5D"},
}

const livedHere = "P2D"

// weeks are the due times at which the service is there; between them it is away.
var weeks = []string{
	"2030-12-21T00:00", "2030-12-21T12:00", "2030-12-22T00:00", // into a Sunday
	"2030-12-29T00:00", "2030-12-29T12:00", "2031-01-01T00:00", // another, and a new year
	"2031-01-05T12:00", "2031-01-06T00:00", "2031-01-07T00:00", // Sunday's first was missed
	"2031-01-17T12:00", "2031-02-01T12:00", "2031-02-23T00:00", // a new month, and the end of most
}

func moment(text string) time.Time {
	at, err := time.Parse("2006-01-02T15:04", text)
	if err != nil {
		panic(err) // it stands in this file
	}
	return at
}

// Nine weeks with all rules of a policy, on both databases, on PostgreSQL with two
// replicas: there is one backup for each time the service is there, none twice,
// and after each what there is, in which tier and under which tag, is what the
// pure forecast says.
func TestWeeksWithAPolicy(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		liveThrough(t, "", 1)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		liveThrough(t, postgres.Database(t), 2)
	})
}

// life is a service with replicas, and what is expected of it.
type life struct {
	replicas []*world
	leap     *leaping
	policy   *backup.Policy
	spread   time.Duration // from a due time to the instance's place in the window
	taken    []time.Time
	jobs     []string
}

func liveThrough(t *testing.T, database string, replicas int) {
	l := &life{leap: &leaping{}, policy: livedPolicy()}
	l.leap.ahead.Store(int64(time.Until(moment("2030-12-20T15:00"))))
	w := newWorldWith(t, service.Options{Clock: l.leap, SignIn: clock.System{}, Database: database, Schedule: workflow.Schedule{Look: 100 * time.Millisecond}})
	cluster := w.livedInstance()
	l.replicas = append(l.replicas, w)
	for len(l.replicas) < replicas {
		other := *w
		other.anyPort()
		other.start()
		t.Cleanup(func() { other.stop() })
		cluster.callToo(&other)
		l.replicas = append(l.replicas, &other)
	}
	for w.schedule() == nil {
		time.Sleep(50 * time.Millisecond) // the plan follows the protection
	}
	l.spread = w.nextStart().Sub(w.moment(w.schedule()["nextDue"]))
	previous := moment("2030-12-20T12:00")
	for n, text := range weeks {
		due := moment(text)
		// Later in the window each time: so nothing ends at the very moment of a look.
		l.leapTo(due.Add(l.spread + time.Duration(n)*10*time.Second))
		l.expectStart(due, int(due.Sub(previous)/halfDay)-1)
		previous = due
		<-cluster.began
		w.becomes("backups", l.jobs, w.backups)
		w.becomes("recovery points", l.forecast(t), w.listed)
	}
	if n := cluster.count(agentv1.KindBackup); n != len(l.jobs) {
		t.Errorf("the cluster backed up %d times, want %d", n, len(l.jobs))
	}
}

// callToo lets the extension of the cluster work for another replica, too: what that
// one has to be done is not found at the first by chance.
func (f *fakeCluster) callToo(other *world) {
	ca, err := os.ReadFile(other.admin.CAFile)
	if err != nil {
		f.t.Fatal(err)
	}
	f.work("extension", "https://"+other.agents, string(ca), "")
}

// leapTo lets all replicas live on at a moment.
func (l *life) leapTo(at time.Time) {
	for _, w := range l.replicas {
		w.stop()
	}
	l.leap.ahead.Store(int64(time.Until(at)))
	for _, w := range l.replicas {
		w.start()
	}
	l.taken = append(l.taken, at)
}

// expectStart enters the one backup that stands for a due time, and for those
// missed before it.
func (l *life) expectStart(due time.Time, missed int) {
	line := due.Format(time.RFC3339) + " Completed"
	if missed > 0 {
		line += fmt.Sprintf("WithWarnings, for %d more", missed)
	}
	l.jobs = append(l.jobs, line)
}

// forecast is what there is to be now.
func (l *life) forecast(t *testing.T) []string {
	t.Helper()
	played, err := retention.Play(l.policy, func(yield func(time.Time, *backup.BackupRule) bool) {
		for _, at := range l.taken {
			if !yield(at, l.policy.Rules[0].Backup) {
				return
			}
		}
	}, l.leap.Now())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range played.At(l.leap.Now()) {
		var tiers []string
		for _, s := range p.Stays {
			tiers = append(tiers, string(s.Tier))
		}
		lines = append(lines, pointLine(p.Taken, p.Tag, tiers))
	}
	return lines
}

func pointLine(at time.Time, tag string, tiers []string) string {
	slices.Sort(tiers)
	return at.UTC().Truncate(halfDay).Format(time.RFC3339) + " " + tag + " " + strings.Join(tiers, " ")
}

// becomes waits until a list is as it must be.
func (w *world) becomes(what string, want []string, list func() []string) {
	w.t.Helper()
	diff := "not looked"
	for end := time.Now().Add(patience); diff != ""; time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: wanted (-), there are (+):\n%s", what, diff)
		}
		diff = cmp.Diff(want, list())
	}
}

// backups lists the jobs by the due times they stand for, oldest first.
func (w *world) backups() (lines []string) {
	for _, j := range w.must(http.MethodGet, w.vault+"/backupJobs", nil)["value"].([]any) {
		job := j.(object)["properties"].(object)
		details := job["extendedInfo"].(object)["additionalDetails"].(object)
		line := w.moment(details["ScheduledTime"]).Format(time.RFC3339) + " " + job["status"].(string)
		if _, after, found := strings.Cut(details["ScheduleReason"].(string), "makes up for "); found {
			missed, _, _ := strings.Cut(after, " ")
			line += ", for " + missed + " more"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// listed lists the recovery points as the forecast does.
func (w *world) listed() (lines []string) {
	for _, p := range w.must(http.MethodGet, w.instance+"/recoveryPoints", nil)["value"].([]any) {
		point := p.(object)["properties"].(object)
		var tiers []string
		for _, s := range point["recoveryPointDataStoresDetails"].([]any) {
			tiers = append(tiers, s.(object)["type"].(string))
		}
		lines = append(lines, pointLine(w.moment(point["recoveryPointTime"]), point["retentionTagName"].(string), tiers))
	}
	slices.Sort(lines)
	return lines
}

// livedInstance protects a cluster with the policy that is lived through.
func (w *world) livedInstance() *fakeCluster {
	w.furnish()
	store := func(tier backup.Tier) object {
		return object{"dataStoreType": string(tier), "objectType": "DataStoreInfoBase"}
	}
	lifecycle := func(tier backup.Tier, stay string) object {
		return object{"sourceDataStore": store(tier), "deleteAfter": object{"objectType": "AbsoluteDeleteOption", "duration": stay}}
	}
	here := lifecycle(backup.TierOperational, livedHere)
	tags := []any{object{"isDefault": true, "taggingPriority": 99, "tagInfo": object{"tagName": "Default"}}}
	rules := []any{nil, object{"name": "Default", "objectType": "AzureRetentionRule", "isDefault": true, "lifecycles": []any{here}}}
	for n, r := range lived {
		tags = append(tags, object{"isDefault": false, "taggingPriority": n + 1, "tagInfo": object{"tagName": r.tag},
			"criteria": []any{object{"objectType": "ScheduleBasedBackupCriteria", "absoluteCriteria": []string{r.first}}}})
		copied := lifecycle(backup.TierOperational, livedHere)
		copied["targetDataStoreCopySettings"] = []any{object{"copyAfter": object{"objectType": "ImmediateCopyOption"}, "dataStore": store(backup.TierVault)}}
		rules = append(rules, object{"name": r.tag, "objectType": "AzureRetentionRule", "isDefault": false,
			"lifecycles": []any{copied, lifecycle(backup.TierVault, r.stay)}})
	}
	rules[0] = object{"name": "BackupHalfDaily", "objectType": "AzureBackupRule", "dataStore": store(backup.TierOperational),
		"backupParameters": object{"objectType": "AzureBackupParams", "backupType": "Incremental"},
		"trigger": object{"objectType": "ScheduleBasedTriggerContext", "taggingCriteria": tags,
			"schedule": object{"repeatingTimeIntervals": []string{livedInterval}, "timeZone": "UTC"}}}
	body, err := json.Marshal(object{"properties": object{"objectType": "BackupPolicy",
		"datasourceTypes": []string{"Microsoft.ContainerService/managedClusters"}, "policyRules": rules}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.policy += "-lived"
	w.must(http.MethodPut, w.policy, json.RawMessage(body))
	cluster := w.connect()
	w.declareExtension()
	w.grantRoles()
	w.vaultRoles()
	w.protect()
	return cluster
}

const livedInterval = "R/2026-11-01T00:00:00+00:00/PT12H"

// livedPolicy is the same policy as the forecast has it.
func livedPolicy() *backup.Policy {
	here := backup.Lifecycle{Source: backup.TierOperational, DeleteAfter: livedHere}
	tags := []backup.TaggingRule{{Name: "Default", IsDefault: true, Priority: 99}}
	p := &backup.Policy{Meta: backup.Meta{ID: "/backupPolicies/lived"}}
	p.Rules = []backup.Rule{{}, {Name: "Default", Retention: &backup.RetentionRule{IsDefault: true, Lifecycles: []backup.Lifecycle{here}}}}
	for n, r := range lived {
		tags = append(tags, backup.TaggingRule{Name: r.tag, Priority: int64(n + 1), Criteria: []backup.Criteria{{Absolute: []string{r.first}}}})
		p.Rules = append(p.Rules, backup.Rule{Name: r.tag, Retention: &backup.RetentionRule{Lifecycles: []backup.Lifecycle{here, {Source: backup.TierVault, DeleteAfter: r.stay}}}})
	}
	p.Rules[0] = backup.Rule{Name: "BackupHalfDaily", Backup: &backup.BackupRule{Tier: backup.TierOperational, Tags: tags}}
	return p
}
