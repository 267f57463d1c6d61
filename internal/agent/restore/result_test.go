package restore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

func TestResultListsAThousandLinesAndCountsTheRest(t *testing.T) {
	stage := Stage{}
	tally := newTally()
	for i := range 2500 {
		item := &Item{Target: Ref{Kind: "ConfigMap", Name: fmt.Sprint(i)}}
		stage.Items = append(stage.Items, item)
		o := outcome{action: agentv1.ItemFailed, reason: Reason{Code: codeRefused, Message: "no", Warn: true}}
		if i%2 == 0 {
			o = outcome{action: agentv1.ItemCreated}
		}
		tally.set(item, o)
	}
	result, warnings := tally.result([]Stage{stage})
	if result.Created != 1250 || result.Failed != 1250 || len(result.Items) != 1000 || result.Omitted != 250 {
		t.Errorf("%d created, %d failed, %d lines, %d omitted", result.Created, result.Failed, len(result.Items), result.Omitted)
	}
	if len(warnings) != 1000 || warnings[999].Problem.Message != "251 more warnings are not listed." {
		t.Errorf("%d warnings, the last %v", len(warnings), warnings[len(warnings)-1])
	}
}

func TestWhatWasNotReachedIsFailed(t *testing.T) {
	result, _ := newTally().result([]Stage{{Items: []*Item{{Target: Ref{Kind: "Pod", Name: "a"}}}}})
	if result.Failed != 1 || result.Items[0].Code != codeNotReached {
		t.Errorf("%+v", result)
	}
}

func TestObserved(t *testing.T) {
	since := time.Date(2026, 1, 1, 12, 0, 0, 500, time.UTC)
	at := func(d time.Duration) metav1.Time { return metav1.NewTime(since.Truncate(time.Second).Add(d)) }
	entry := func(manager string, d time.Duration) metav1.ManagedFieldsEntry {
		when := at(d)
		return metav1.ManagedFieldsEntry{Manager: manager, Time: &when}
	}
	for name, test := range map[string]struct {
		created time.Duration
		fields  []metav1.ManagedFieldsEntry
		want    Object
	}{
		"somebody's":                     {0, []metav1.ManagedFieldsEntry{entry("kubectl", 0)}, Object{}},
		"made in the same second":        {0, []metav1.ManagedFieldsEntry{entry(creator, 0)}, Object{Made: true}},
		"made by an earlier restore":     {-time.Hour, []metav1.ManagedFieldsEntry{entry(creator, -time.Hour)}, Object{}},
		"made earlier, changed now":      {-time.Hour, []metav1.ManagedFieldsEntry{entry(creator, -time.Hour), entry(changer, time.Hour)}, Object{Changed: true}},
		"appeared and was changed by us": {time.Minute, []metav1.ManagedFieldsEntry{entry("controller", time.Minute), entry(changer, time.Hour)}, Object{Changed: true}},
		"made and linked":                {time.Minute, []metav1.ManagedFieldsEntry{entry(creator, time.Minute), entry(changer, time.Hour)}, Object{Made: true, Changed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := observed(metav1.ObjectMeta{CreationTimestamp: at(test.created), ManagedFields: test.fields}, since)
			if got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestTransient(t *testing.T) {
	resource := schema.GroupResource{Resource: "pods"}
	for _, test := range []struct {
		err  error
		want bool
	}{
		{apierrors.NewTooManyRequests("busy", 1), true},
		{apierrors.NewInternalError(errors.New(`failed calling webhook "a"`)), true},
		{apierrors.NewServiceUnavailable("starting"), true},
		{apierrors.NewConflict(resource, "a", errors.New("modified")), true},
		{apierrors.NewForbidden(resource, "a", errors.New("error looking up service account a/default: not found")), true},
		{errors.New("connection reset by peer"), true},
		{apierrors.NewForbidden(resource, "a", errors.New("denied by policy")), false},
		{apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "a", nil), false},
		{apierrors.NewBadRequest("what"), false},
		{apierrors.NewNotFound(resource, "a"), false},
	} {
		if got := transient(fmt.Errorf("create: %w", test.err)); got != test.want {
			t.Errorf("transient(%v) = %v", test.err, got)
		}
	}
}

func TestKeepFinalizer(t *testing.T) {
	live := Live{Kinds: map[string]kind{"db.example.org/Cluster": {}, "snapshot.storage.k8s.io/VolumeSnapshot": {}, "apps/Deployment": {}}}
	for finalizer, want := range map[string]bool{
		"db.example.org/cleanup": true, "finalizers.db.example.org/x": true, "db.example.org": true,
		"evil-db.example.org/x": false, "snapshot.storage.k8s.io/protection": false, "apps/x": false, "orphan": false,
	} {
		if got := live.keepFinalizer(finalizer); got != want {
			t.Errorf("keepFinalizer(%q) = %v", finalizer, got)
		}
	}
}
