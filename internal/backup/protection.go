package backup

// ProtectionState is how far an instance is protected.
type ProtectionState string

// Protection states.
const (
	ConfiguringProtection ProtectionState = "ConfiguringProtection"
	ConfiguringFailed     ProtectionState = "ConfiguringProtectionFailed"
	ProtectionConfigured  ProtectionState = "ProtectionConfigured"
	UpdatingProtection    ProtectionState = "UpdatingProtection"
	ProtectionStopped     ProtectionState = "ProtectionStopped"
	BackupsSuspended      ProtectionState = "BackupsSuspended"
	ProtectionError       ProtectionState = "ProtectionError"
	// SoftDeleting and SoftDeleted are shown of what goes, and of what went and can
	// be taken back; see Deletion.
	SoftDeleting ProtectionState = "SoftDeleting"
	SoftDeleted  ProtectionState = "SoftDeleted"
)

// ProtectionEvent is what may happen to an instance.
type ProtectionEvent string

// Protection events.
const (
	EventConfigure  ProtectionEvent = "configure protection"
	EventConfigured ProtectionEvent = "finish configuring"
	EventFailed     ProtectionEvent = "fail configuring"
	EventStop       ProtectionEvent = "stop protection" // no backups; what there is, is kept for ever
	EventSuspend    ProtectionEvent = "suspend backups" // no backups; what there is, is kept as the policy has it
	// EventResume ends both; EventResumeBackups ends a suspension only.
	EventResume        ProtectionEvent = "resume protection"
	EventResumeBackups ProtectionEvent = "resume backups"
)

// protectionSteps holds every allowed step. Stopping, suspending and resuming
// again what is so already is allowed, so that requests may be repeated. What
// leads to UpdatingProtection needs the work that configures.
var protectionSteps = map[ProtectionState]map[ProtectionEvent]ProtectionState{
	"":                    {EventConfigure: ConfiguringProtection},
	ConfiguringFailed:     {EventConfigure: ConfiguringProtection},
	ConfiguringProtection: {EventConfigured: ProtectionConfigured, EventFailed: ConfiguringFailed},
	UpdatingProtection:    {EventConfigured: ProtectionConfigured, EventFailed: ProtectionError},
	ProtectionConfigured: {
		EventConfigure: UpdatingProtection, EventStop: ProtectionStopped,
		EventSuspend: BackupsSuspended, EventResume: ProtectionConfigured, EventResumeBackups: ProtectionConfigured,
	},
	ProtectionError: {
		EventConfigure: UpdatingProtection, EventStop: ProtectionStopped,
		EventSuspend: BackupsSuspended, EventResume: UpdatingProtection, EventResumeBackups: UpdatingProtection,
	},
	ProtectionStopped: {EventStop: ProtectionStopped, EventResume: ProtectionConfigured},
	BackupsSuspended: {
		EventStop: ProtectionStopped, EventSuspend: BackupsSuspended, EventResume: ProtectionConfigured, EventResumeBackups: ProtectionConfigured,
	},
}

// remedies say what to do in a state in which something is not allowed. Where
// there is none, something is running and has to be waited for.
var remedies = map[ProtectionState]string{
	ConfiguringFailed: "Mend what protectionErrorDetails says, then write the backup instance again or sync it.",
	ProtectionError:   "Mend what protectionErrorDetails says, then resume protection.",
	ProtectionStopped: "Resume protection (resumeProtection) first.",
	BackupsSuspended:  "Resume backups (resumeBackups or resumeProtection) first.",
}

// Step moves the instance; it returns a problem and changes nothing when the
// event is not allowed in its state.
func (i *Instance) Step(event ProtectionEvent) *Problem {
	next, ok := protectionSteps[i.Protection][event]
	if !ok {
		return i.refuse(string(event))
	}
	i.Protection = next
	return nil
}

// May returns why the event is not allowed now, or nil. While an operation
// changes the instance nothing else is.
func (i *Instance) May(event ProtectionEvent) *Problem {
	if !i.State.Terminal() {
		return i.refuse(string(event))
	}
	then := *i
	return then.Step(event)
}

// MayBackUp returns why no backup may be started now, or nil.
func (i *Instance) MayBackUp() *Problem {
	if i.Protection == ProtectionConfigured && i.State.Terminal() {
		return nil
	}
	return i.refuse("start a backup")
}

// Configuring says whether an operation configures the instance, for the first time or
// anew.
func (i *Instance) Configuring() bool { return !i.State.Terminal() && i.State != StateDeleting }

// MayRestore returns why no restore may be started now, or nil. What was backed
// up can be restored whether or not protection goes on.
func (i *Instance) MayRestore() *Problem {
	switch i.Protection {
	case "", ConfiguringProtection, ConfiguringFailed:
		return i.refuse("start a restore")
	}
	if i.State == StateDeleting {
		return i.refuse("start a restore")
	}
	return nil
}

// refuse says that something cannot be done in the instance's state, and what
// has to be done first.
func (i *Instance) refuse(what string) *Problem {
	state := string(i.Protection)
	if i.State == StateDeleting {
		state = string(StateDeleting)
	}
	p := NewProblem(CodeInvalidTransition, i.ID, "cannot %s while instance %s is in state %s", what, i.Name(), state)
	if remedy, ok := remedies[i.Protection]; ok && i.State.Terminal() {
		p.Actions, p.Retryable = []string{remedy}, false
	}
	return p
}

// ShownProtection is the protection state in the words of the wire.
func (i *Instance) ShownProtection() ProtectionState {
	if i.State == StateDeleting && i.Deletion != nil && i.Deletion.KeepDays > 0 {
		return SoftDeleting
	}
	return i.Protection
}
