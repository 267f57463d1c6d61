package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

func TestFailure(t *testing.T) {
	said := func(message string) func(*failure) {
		return func(f *failure) { f.note(&snapshotv1.VolumeSnapshotError{Message: &message}) }
	}
	for _, c := range []struct {
		name string
		note func(*failure)
		err  error
		code string
		word string
	}{
		{"nothing said, still time", func(*failure) {}, nil, "", ""},
		{"nothing said, time is up", func(*failure) {}, errTimedOut, CodeTimedOut, "in time"},
		{"an error that may clear", said("rpc error: busy"), nil, "", ""},
		{"an error that did not clear", said("rpc error: busy"), errTimedOut, CodeTimedOut, "busy"},
		{"policy", said("RequestDisallowedByPolicy: no snapshots"), nil, CodeDisallowed, "no snapshots"},
		{"limit", said("SnapshotCountExceeded: 500"), nil, CodeLimitReached, "500"},
		{"cancelled", said("rpc error: busy"), context.Canceled, "", ""},
		{"taken away", func(f *failure) {
			if err := f.vanished(apierrors.NewNotFound(schema.GroupResource{}, "x")); err != nil {
				t.Error(err)
			}
		}, nil, CodeFailed, "somebody else"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f failure
			f.note(nil)
			c.note(&f)
			reason, skip := f.skip(agentv1.Volume{Namespace: "ns", Claim: "data", Driver: "d"}, c.err)
			if skip != (c.code != "") || skip && f.code != c.code || !strings.Contains(reason, c.word) {
				t.Errorf("skip %v, code %q, reason %q", skip, f.code, reason)
			}
		})
	}
	other := errors.New("connection refused")
	if err := new(failure).vanished(other); !errors.Is(err, other) {
		t.Errorf("got %v", err)
	}
}

func TestAwait(t *testing.T) {
	ctx := context.Background()
	asked := 0
	err := await(ctx, time.Minute, func(context.Context) (bool, error) { asked++; return asked == 2, nil })
	if err != nil || asked != 2 {
		t.Errorf("%d times, %v", asked, err)
	}
	never := func(context.Context) (bool, error) { return false, nil }
	if err := await(ctx, 10*time.Millisecond, never); !errors.Is(err, errTimedOut) {
		t.Errorf("got %v", err)
	}
	stopped, cancel := context.WithCancelCause(ctx)
	cause := errors.New("stop")
	cancel(cause)
	if err := await(stopped, time.Minute, never); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	broken := errors.New("broken")
	if err := await(ctx, time.Minute, func(context.Context) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for i := range 100 {
		name := objectName(fmt.Sprintf("op-%d", i/10), fmt.Sprintf("claim-%d", i%10))
		if errs := validation.IsDNS1123Label(name); len(errs) > 0 || seen[name] {
			t.Fatalf("%s: %v", name, errs)
		}
		if !strings.HasPrefix(name, namePrefix(fmt.Sprintf("op-%d", i/10))) {
			t.Fatalf("%s does not tell its operation", name)
		}
		seen[name] = true
	}
}

func TestUnknownSnapshot(t *testing.T) {
	for message, want := range map[string]bool{
		"rpc error: code = NotFound desc = x": true, "can not find snapshot for snapshotID snap-1": true,
		`secrets "s" not found`: false, "the namespace does not exist": false, "rpc error: code = Unavailable": false, "": false,
	} {
		if got := unknownSnapshot(message); got != want {
			t.Errorf("%q: %v", message, got)
		}
	}
}
