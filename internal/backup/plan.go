package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/schedule"
)

// Plan is when an instance is backed up next by its policy, and how it went so
// far. Its id is the instance's.
type Plan struct {
	Meta
	Calendar string    `json:"calendar"` // what it follows from, see CalendarText
	Due      time.Time `json:"due"`      // the first due time not dealt with
	Start    time.Time `json:"start"`    // the moment in its window that falls to the instance
	// Waiting says why it has not started although its time has come; empty while
	// nothing stands in the way.
	Waiting string `json:"waiting,omitempty"`
	// The last start, and the job of it.
	LastDue   time.Time `json:"lastDue,omitzero"`
	LastStart time.Time `json:"lastStart,omitzero"`
	LastJobID string    `json:"lastJobId,omitempty"`
	// Counts since the instance is protected: starts, those after the end of the
	// window, and due times without a start.
	Started int64 `json:"started,omitempty"`
	Late    int64 `json:"late,omitempty"`
	Missed  int64 `json:"missed,omitempty"`
}

// Await sets what the plan waits for.
func (p *Plan) Await(s schedule.Slot) { p.Due, p.Start, p.Waiting = s.Due.UTC(), s.Start.UTC(), "" }

// Note enters a start by a job.
func (p *Plan) Note(d schedule.Decision, job *Job) {
	p.LastDue, p.LastStart, p.LastJobID = d.Slot.Due.UTC(), job.Started, job.ID
	p.Started++
	p.Missed += int64(d.Missed)
	if d.Late {
		p.Late++
	}
	p.Await(d.Next)
}

// CalendarText tells two calendars of policies apart, and whose they are.
func (p Policy) CalendarText() string {
	text := []string{Key(p.ID)}
	for _, r := range p.Rules {
		if r.Backup == nil {
			continue
		}
		zone := ""
		if r.Backup.TimeZone != nil {
			zone = *r.Backup.TimeZone
		}
		text = append(text, r.Name, zone, strings.Join(r.Backup.Intervals, " "))
	}
	return strings.Join(text, "\n")
}

// Planned says whether the instance is backed up by its policy: it is protected,
// also while its configuration is being changed.
func (i *Instance) Planned() bool {
	return i.State != StateDeleting && (i.Protection == ProtectionConfigured || i.Protection == UpdatingProtection)
}

// Scheduled says why a job was started by the schedule.
type Scheduled struct {
	Due    time.Time `json:"due"`
	Late   bool      `json:"late,omitempty"`   // after the end of the window
	Missed int       `json:"missed,omitempty"` // earlier due times that passed without a start
	Reason string    `json:"reason"`
}

// NewScheduledJob returns the backup job of a due time of an instance. Its ids
// follow from the instance, the due time and the moment.
func NewScheduledJob(i *Instance, d schedule.Decision, now time.Time) *Job {
	var random [10]byte
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s", i.UID, d.Slot.Due.UTC().Format(time.RFC3339)))
	copy(random[:], sum[:])
	activity := sum[16:]
	activity[6], activity[8] = activity[6]&0x0f|0x80, activity[8]&0x3f|0x80
	h := hex.EncodeToString(activity)
	job := &Job{
		InstanceID: i.ID, InstanceName: i.FriendlyName, Datasource: i.Datasource, PolicyID: i.PolicyID,
		Kind: JobBackup, Status: JobInProgress, Started: now, RuleName: d.Slot.Rule,
		ActivityID:      h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:],
		RecoveryPointID: NewRecoveryPointID(now, random),
		Tasks:           []Task{{Name: "Trigger Backup", Status: JobInProgress}},
		Scheduled:       &Scheduled{Due: d.Slot.Due.UTC(), Late: d.Late, Missed: d.Missed, Reason: d.Reason},
	}
	job.ID = i.VaultID() + "/backupJobs/" + NewJobID(now, random)
	if d.Late || d.Missed > 0 {
		job.Warnings = []Warning{{Resource: i.ID, Problem: *NewProblem(CodeStartedLate, i.ID, "the backup did not start within its window: %s", d.Reason)}}
	}
	return job
}
