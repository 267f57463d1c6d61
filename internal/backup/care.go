package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// Care is what is known of the upkeep of an instance's repositories. Its ID is
// the instance's.
type Care struct {
	Meta
	// Containers are the storage containers that the instance's operational
	// repository lies in, or lay in once.
	Containers []string `json:"containers,omitempty"`
	// LeftRegions are those that the instance was replicated into before its location
	// was paired with another one, and which still hold that.
	LeftRegions []string `json:"leftRegions,omitempty"`
	// Condition is that of the repository in the vault. Its due times are those of
	// the replica too.
	Condition
	Replica Condition `json:"replica,omitzero"` // in the paired region
}

// Condition is what is known of one repository.
type Condition struct {
	Collect Round `json:"collect,omitzero"` // garbage
	Verify  Round `json:"verify,omitzero"`
	// Damaged are the recovery points that the last verification found damaged, and
	// Findings counts all it found.
	Damaged  []string `json:"damaged,omitempty"`
	Findings int      `json:"findings,omitempty"`
}

// At is the condition of the repository in the vault, or of its replica when a
// region is named.
func (c *Care) At(region string) *Condition {
	if region == "" {
		return &c.Condition
	}
	return &c.Replica
}

// Round is something that is done to a repository again and again.
type Round struct {
	Due     time.Time `json:"due,omitzero"`      // the last due time that was started, or passed over
	Ended   time.Time `json:"ended,omitzero"`    // the last time it was done to its end
	Problem *Problem  `json:"problem,omitempty"` // why it failed the last time; nil when it did not
}

// Remember notes a container, and reports whether it was not known.
func (c *Care) Remember(containerID string) bool {
	if slices.ContainsFunc(c.Containers, func(known string) bool { return SameID(known, containerID) }) {
		return false
	}
	c.Containers = append(c.Containers, containerID)
	return true
}

// Leave notes a region that the instance is not replicated into any more, and reports
// whether it was not known. What was known of the replica there is of no more use.
func (c *Care) Leave(region string) bool {
	if slices.Contains(c.LeftRegions, region) {
		return false
	}
	c.LeftRegions, c.Replica = append(c.LeftRegions, region), Condition{}
	return true
}

// Settle notes that a region is replicated into, or that nothing is left there, and
// reports whether it had been left.
func (c *Care) Settle(region string) bool {
	before := len(c.LeftRegions)
	c.LeftRegions = slices.DeleteFunc(c.LeftRegions, func(left string) bool { return left == region })
	return len(c.LeftRegions) < before
}

// DueAt returns the last moment, not after now, at which something that is done
// every so often is due for a subject. Subjects are spread evenly over the time,
// always the same way. Zero when every is not positive: it is never due.
func DueAt(subject string, every time.Duration, now time.Time) time.Time {
	if every <= 0 {
		return time.Time{}
	}
	sum := sha256.Sum256([]byte(Key(subject)))
	offset := time.Duration(binary.BigEndian.Uint64(sum[:]) % uint64(every))
	passed := time.Duration(now.UnixNano()) - offset
	rest := passed % every
	if rest < 0 {
		rest += every
	}
	return now.UTC().Add(-rest)
}

// VerifyData says how much of the data a verification reads.
type VerifyData string

// What a verification reads beside the structure, which it always checks.
const (
	VerifyNone   VerifyData = "none"
	VerifySample VerifyData = "sample"
	VerifyAll    VerifyData = "all"
)

// ParseVerifyData reads a word in any case; empty is VerifySample.
func ParseVerifyData(text string) (VerifyData, *Problem) {
	switch d := VerifyData(strings.ToLower(text)); d {
	case "":
		return VerifySample, nil
	case VerifyNone, VerifySample, VerifyAll:
		return d, nil
	}
	return "", Invalid("data", "%q is not none, sample or all", text)
}

// Upkeep is what a job of kind JobVerify, JobCollect or JobRepair does, to one repository
// after the other: each is a task of the job.
type Upkeep struct {
	Instances []string `json:"instances"` // ids, one for each task
	// Regions name, for each task, the region whose replica is meant; empty for the
	// repository in the vault. It may be shorter than Instances.
	Regions []string   `json:"regions,omitempty"`
	Data    VerifyData `json:"data,omitempty"`
	DryRun  bool       `json:"dryRun,omitempty"` // of a collection or repair: only tell what would be done
	// TroubleSince is when the store began to fail at the present task.
	TroubleSince time.Time `json:"troubleSince,omitzero"`
	Points       int       `json:"points,omitempty"`    // verified so far
	Blocks       int64     `json:"blocks,omitempty"`    // looked at
	BytesRead    int64     `json:"bytesRead,omitempty"` // of data that was read and checked
	Damaged      int       `json:"damaged,omitempty"`   // recovery points that cannot be restored completely
	Findings     int       `json:"findings,omitempty"`
	Untold       int       `json:"untold,omitempty"` // warnings beyond those that are kept
}

// Add adds the repository of an instance in the vault, and the one in a region
// that it is replicated into, when that is not empty.
func (u *Upkeep) Add(instanceID, region string) {
	u.Instances, u.Regions = append(u.Instances, instanceID), append(u.Regions, "")
	if region != "" {
		u.Instances, u.Regions = append(u.Instances, instanceID), append(u.Regions, region)
	}
}

// Region is where the repository of the nth task lies; empty for the vault.
func (u *Upkeep) Region(n int) string {
	if n < len(u.Regions) {
		return u.Regions[n]
	}
	return ""
}

// Name is what people call the repository of the nth task: the name of its
// instance, and where it is when that is not the vault.
func (u *Upkeep) Name(n int) string {
	name := lastSegment(u.Instances[n])
	if region := u.Region(n); region != "" {
		name += " in " + region
	}
	return name
}

// NewUpkeep returns the tasks of a job over repositories.
func NewUpkeep(u Upkeep) (*Upkeep, []Task) {
	tasks := make([]Task, len(u.Instances))
	for i := range u.Instances {
		tasks[i] = Task{Name: u.Name(i), Status: JobInProgress}
	}
	return &u, tasks
}

// NextTask returns the number of the first task that has not ended; false when
// all have.
func (j *Job) NextTask() (int, bool) {
	i := slices.IndexFunc(j.Tasks, func(t Task) bool { return !t.Status.Terminal() })
	return i, i >= 0
}

// EndTask ends the nth task, and adds its warnings to the job's, of which a
// thousand are kept.
func (j *Job) EndTask(n int, now time.Time, failed bool, warnings []Warning) {
	t := &j.Tasks[n]
	switch t.Ended = now.UTC(); {
	case failed:
		t.Status = JobFailed
	case len(warnings) > 0:
		t.Status = JobCompletedWithWarnings
	default:
		t.Status = JobCompleted
	}
	if room := mostJobWarnings - len(j.Warnings); len(warnings) > room {
		j.Upkeep.Untold += len(warnings) - max(room, 0)
		warnings = warnings[:max(room, 0)]
	}
	j.Warnings = append(j.Warnings, warnings...)
}

const mostJobWarnings = 1000

// CountUp adds what the nth task has done to the counts of the job.
func (j *Job) CountUp(n int, more Upkeep) {
	u := j.Upkeep
	j.Tasks[n].Bytes = more.BytesRead
	u.Points += more.Points
	u.Blocks += more.Blocks
	u.BytesRead += more.BytesRead
	u.Damaged += more.Damaged
	u.Findings += more.Findings
	u.Untold += more.Untold
	j.Progress = Progress{Phase: j.Progress.Phase, ItemsDone: int64(u.Points), BytesDone: u.BytesRead}
}

// Detail adds a fact for people; of a resource, under its name.
func (j *Job) Detail(name, text string) {
	if j.Details == nil {
		j.Details = map[string]string{}
	}
	j.Details[lastSegment(name)] = text
}

// UpkeepProblem is why a job over repositories has failed: one of its tasks has.
// The warnings name what was found.
func (j *Job) UpkeepProblem() *Problem {
	failed := 0
	for _, t := range j.Tasks {
		if t.Status == JobFailed {
			failed++
		}
	}
	switch {
	case failed == 0:
		return nil
	case j.Upkeep.Damaged > 0:
		return NewProblem(CodeVaultDamaged, j.ID, "%d recovery points in %d repositories cannot be restored completely", j.Upkeep.Damaged, failed)
	}
	if len(j.Warnings) > 0 {
		return &j.Warnings[0].Problem
	}
	return NewProblem(CodeInternal, j.ID, "%d of %d tasks failed", failed, len(j.Tasks))
}

// TellRest adds a warning that counts those that were not kept.
func (j *Job) TellRest() {
	if j.Upkeep.Untold > 0 {
		j.Warnings = append(j.Warnings, Warning{Resource: "Vault", Problem: *NewProblem(CodeGenericWarning, j.ID, "%d more warnings are not told", j.Upkeep.Untold)})
	}
}

// CareSum is how repositories are together.
type CareSum struct {
	Damaged   int // recovery points
	Findings  int
	Failing   int       // repositories
	Verified  time.Time // the one that waits longest; zero when one never was
	Collected time.Time
}

// SumCare adds up what is known of repositories. One of which nothing was started
// yet is none, and does not count.
func SumCare(all []Condition) CareSum {
	var s CareSum
	first := true
	for _, c := range all {
		if c.Collect == (Round{}) && c.Verify == (Round{}) {
			continue
		}
		s.Damaged += len(c.Damaged)
		s.Findings += c.Findings
		if c.Collect.Problem != nil || c.Verify.Problem != nil {
			s.Failing++
		}
		if first || c.Verify.Ended.Before(s.Verified) {
			s.Verified = c.Verify.Ended
		}
		if first || c.Collect.Ended.Before(s.Collected) {
			s.Collected = c.Collect.Ended
		}
		first = false
	}
	return s
}
