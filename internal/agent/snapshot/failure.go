package snapshot

import (
	"errors"
	"fmt"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// failure gathers what a driver says against a snapshot. Its errors may clear
// by themselves, so most only count when time is up.
type failure struct {
	code, message string
	final         bool
}

func (f *failure) note(e *snapshotv1.VolumeSnapshotError) {
	if e == nil || e.Message == nil {
		return
	}
	f.message = *e.Message
	f.code, f.final = permanent(f.message)
}

// vanished makes the absence of an object the reason of the failure; other
// errors are returned.
func (f *failure) vanished(err error) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	f.taken()
	return nil
}

// taken: somebody else deleted the snapshot, or is about to.
func (f *failure) taken() {
	f.code, f.final, f.message = CodeFailed, true, "its snapshot object was deleted by somebody else"
}

// skip tells why a volume is not protected, when that is how waiting for its
// snapshot ended.
func (f *failure) skip(v agentv1.Volume, err error) (reason string, ok bool) {
	claim := v.Namespace + "/" + v.Claim
	switch {
	case f.final:
		return fmt.Sprintf("The snapshot of the claim %s failed: %s", claim, f.message), true
	case !errors.Is(err, errTimedOut):
		return "", false
	}
	f.code = CodeTimedOut
	reason = fmt.Sprintf("The driver %s did not finish the snapshot of the claim %s in time.", v.Driver, claim)
	if f.message != "" {
		reason += " Its last error: " + f.message
	}
	return reason, true
}
