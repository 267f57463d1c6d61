package backup

import (
	"slices"
	"strings"
	"testing"
)

// steps is the whole of what may happen to an instance: every pair of a state
// and an event that is not in it is forbidden.
var steps = []struct {
	from  ProtectionState
	event ProtectionEvent
	to    ProtectionState
}{
	{"", EventConfigure, ConfiguringProtection},
	{ConfiguringProtection, EventConfigured, ProtectionConfigured},
	{ConfiguringProtection, EventFailed, ConfiguringFailed},
	{ConfiguringFailed, EventConfigure, ConfiguringProtection},
	{ProtectionConfigured, EventConfigure, UpdatingProtection},
	{ProtectionConfigured, EventStop, ProtectionStopped},
	{ProtectionConfigured, EventSuspend, BackupsSuspended},
	{ProtectionConfigured, EventResume, ProtectionConfigured},
	{ProtectionConfigured, EventResumeBackups, ProtectionConfigured},
	{UpdatingProtection, EventConfigured, ProtectionConfigured},
	{UpdatingProtection, EventFailed, ProtectionError},
	{ProtectionError, EventConfigure, UpdatingProtection},
	{ProtectionError, EventStop, ProtectionStopped},
	{ProtectionError, EventSuspend, BackupsSuspended},
	{ProtectionError, EventResume, UpdatingProtection},
	{ProtectionError, EventResumeBackups, UpdatingProtection},
	{ProtectionStopped, EventStop, ProtectionStopped},
	{ProtectionStopped, EventResume, ProtectionConfigured},
	{BackupsSuspended, EventStop, ProtectionStopped},
	{BackupsSuspended, EventSuspend, BackupsSuspended},
	{BackupsSuspended, EventResume, ProtectionConfigured},
	{BackupsSuspended, EventResumeBackups, ProtectionConfigured},
}

// TestEveryProtectionStep walks every state with every event. What is forbidden
// has a code and a remedy, and changes nothing.
func TestEveryProtectionStep(t *testing.T) {
	states := []ProtectionState{"", ConfiguringProtection, ConfiguringFailed, ProtectionConfigured, UpdatingProtection,
		ProtectionError, ProtectionStopped, BackupsSuspended, SoftDeleted}
	events := []ProtectionEvent{EventConfigure, EventConfigured, EventFailed, EventStop, EventSuspend, EventResume, EventResumeBackups}
	for _, from := range states {
		for _, event := range events {
			want := from
			k := slices.IndexFunc(steps, func(s struct {
				from  ProtectionState
				event ProtectionEvent
				to    ProtectionState
			}) bool {
				return s.from == from && s.event == event
			})
			if k >= 0 {
				want = steps[k].to
			}
			i := goodInstance()
			i.Protection = from
			may := i.May(event)
			p := i.Step(event)
			if (p == nil) != (k >= 0) || (may == nil) != (k >= 0) || i.Protection != want {
				t.Errorf("%s in %q: %s, %v, %v", event, from, i.Protection, p, may)
			}
			if p != nil && (p.Code != CodeInvalidTransition || len(p.Actions) == 0 || !strings.Contains(p.Message, string(event))) {
				t.Errorf("%s in %q: %+v", event, from, p)
			}
		}
	}
}

// TestRemedies: a refusal says what has to be done first, and whether waiting
// is enough.
func TestRemedies(t *testing.T) {
	for _, c := range []struct {
		protection ProtectionState
		state      ProvisioningState
		event      ProtectionEvent
		remedy     string
		wait       bool
	}{
		{ProtectionStopped, StateSucceeded, EventSuspend, "Resume protection (resumeProtection)", false},
		{ProtectionStopped, StateSucceeded, EventResumeBackups, "Resume protection (resumeProtection)", false},
		{ProtectionStopped, StateSucceeded, EventConfigure, "Resume protection (resumeProtection)", false},
		{BackupsSuspended, StateSucceeded, EventConfigure, "Resume backups", false},
		{ConfiguringFailed, StateFailed, EventStop, "Mend", false},
		{ConfiguringProtection, StateProvisioning, EventStop, "Wait", true},
		{UpdatingProtection, StateUpdating, EventSuspend, "Wait", true},
		{ProtectionStopped, StateDeleting, EventResume, "Wait", true},
	} {
		i := goodInstance()
		i.Protection, i.State = c.protection, c.state
		p := i.May(c.event)
		if p == nil || !strings.HasPrefix(p.Actions[0], c.remedy) || p.Retryable != c.wait {
			t.Errorf("%s in %s/%s: %+v", c.event, c.protection, c.state, p)
		}
	}
}

func TestMayBackUpAndRestore(t *testing.T) {
	for _, c := range []struct {
		protection       ProtectionState
		state            ProvisioningState
		backup, restored bool
	}{
		{ProtectionConfigured, StateSucceeded, true, true},
		{ProtectionConfigured, StateDeleting, false, false},
		{UpdatingProtection, StateUpdating, false, true},
		{ConfiguringProtection, StateProvisioning, false, false},
		{ConfiguringFailed, StateFailed, false, false},
		{ProtectionStopped, StateSucceeded, false, true},
		{BackupsSuspended, StateSucceeded, false, true},
		{ProtectionError, StateFailed, false, true},
	} {
		i := goodInstance()
		i.Protection, i.State = c.protection, c.state
		if (i.MayBackUp() == nil) != c.backup || (i.MayRestore() == nil) != c.restored {
			t.Errorf("%s/%s: back up %v, restore %v", c.protection, c.state, i.MayBackUp(), i.MayRestore())
		}
	}
}
