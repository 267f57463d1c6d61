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
)

// ProtectionEvent is what may happen to an instance.
type ProtectionEvent string

// Protection events.
const (
	EventConfigure  ProtectionEvent = "configure protection"
	EventConfigured ProtectionEvent = "finish configuring"
	EventFailed     ProtectionEvent = "fail configuring"
	EventStop       ProtectionEvent = "stop protection"
	EventSuspend    ProtectionEvent = "suspend backups"
	EventResume     ProtectionEvent = "resume protection"
)

// protectionSteps holds every allowed step. Stopping, suspending and resuming
// again what is so already is allowed, so that requests may be repeated.
var protectionSteps = map[ProtectionState]map[ProtectionEvent]ProtectionState{
	"":                    {EventConfigure: ConfiguringProtection},
	ConfiguringFailed:     {EventConfigure: ConfiguringProtection},
	ConfiguringProtection: {EventConfigured: ProtectionConfigured, EventFailed: ConfiguringFailed},
	UpdatingProtection:    {EventConfigured: ProtectionConfigured, EventFailed: ProtectionError},
	ProtectionConfigured: {
		EventConfigure: UpdatingProtection, EventStop: ProtectionStopped,
		EventSuspend: BackupsSuspended, EventResume: ProtectionConfigured,
	},
	ProtectionError: {
		EventConfigure: UpdatingProtection, EventStop: ProtectionStopped,
		EventSuspend: BackupsSuspended, EventResume: UpdatingProtection,
	},
	ProtectionStopped: {EventStop: ProtectionStopped, EventResume: ProtectionConfigured},
	BackupsSuspended: {
		EventStop: ProtectionStopped, EventSuspend: BackupsSuspended, EventResume: ProtectionConfigured,
	},
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

// MayBackUp returns why no backup may be started now, or nil.
func (i *Instance) MayBackUp() *Problem {
	if i.Protection == ProtectionConfigured && i.State.Terminal() {
		return nil
	}
	return i.refuse("start a backup")
}

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

func (i *Instance) refuse(what string) *Problem {
	state := string(i.Protection)
	if i.State == StateDeleting {
		state = string(StateDeleting)
	}
	return NewProblem(CodeInvalidTransition, i.ID, "cannot %s while instance %s is in state %s", what, i.Name(), state)
}
