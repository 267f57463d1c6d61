package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"

	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/collect"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo"
)

// validation checks whether a backup could run, and changes nothing.
type validation struct {
	*worker
	journal *journal
	run     *v1alpha1.BackupRun
}

func (w *worker) validate(ctx context.Context, run *v1alpha1.BackupRun, j *journal) error {
	v := validation{worker: w, journal: j, run: run}
	return runSteps(ctx, j, []step{
		{"Location", "Checking the storage location.", v.location},
		{"Permissions", "Checking the extension's permissions.", v.permissions},
		{"Snapshots", "Checking that snapshots can be taken.", v.snapshots},
		{"Namespaces", "Checking the namespaces.", v.namespaces},
	}, never)
}

// location writes a probe, which is an object like any other: never overwritten,
// so its name is the operation's.
func (v *validation) location(ctx context.Context) error {
	p, err := v.place(ctx, &v.run.Spec.RunSpec)
	if err != nil {
		return err
	}
	name := "probe/" + v1alpha1.RunName(v.run.Spec.OperationID)
	err = p.store.Put(ctx, name, strings.NewReader("probe"), 5)
	if errors.Is(err, objstore.ErrForbidden) {
		return problem(CodeLocationReadOnly, "Allow the extension to write to the storage location.", "The storage location cannot be written: %v", err)
	}
	if err != nil && !errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("write a probe: %w", err)
	}
	if err := p.store.Delete(ctx, name); err != nil {
		return fmt.Errorf("delete the probe: %w", err)
	}
	r, err := p.open(ctx)
	if errors.Is(err, repo.ErrNoRepository) {
		return nil // the first backup makes it
	}
	if err != nil {
		return err
	}
	return r.Close()
}

// needed are rights that every backup uses.
var needed = []authorizationv1.ResourceAttributes{
	{Verb: "list", Group: "*", Resource: "*"},
	{Verb: "create", Group: snapshotv1.GroupName, Resource: "volumesnapshots"},
	{Verb: "delete", Group: snapshotv1.GroupName, Resource: "volumesnapshots"},
	{Verb: "patch", Group: snapshotv1.GroupName, Resource: "volumesnapshotcontents"},
	{Verb: "delete", Group: snapshotv1.GroupName, Resource: "volumesnapshotcontents"},
}

func (v *validation) permissions(ctx context.Context) error {
	var missing []string
	for _, attributes := range needed {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes}}
		answer, err := v.kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("ask for permissions: %w", err)
		}
		if !answer.Status.Allowed {
			missing = append(missing, attributes.Verb+" "+attributes.Resource)
		}
	}
	if len(missing) > 0 {
		return problem(CodePermissions, "Install the extension again, so that its cluster roles are mended.",
			"The extension's service account may not: %s.", strings.Join(missing, ", "))
	}
	return nil
}

func (v *validation) snapshots(ctx context.Context) error {
	if !v.run.Spec.Backup.SnapshotVolumes {
		return nil
	}
	const action = "Install the snapshot definitions, the snapshot controller and a VolumeSnapshotClass for your CSI driver, or back up without volumes."
	classes := &snapshotv1.VolumeSnapshotClassList{}
	err := v.client.List(ctx, classes)
	switch {
	case meta.IsNoMatchError(err):
		return problem(CodeSnapshotSetup, action, "The cluster has no definitions of volume snapshots.")
	case err != nil:
		return fmt.Errorf("list volume snapshot classes: %w", err)
	case len(classes.Items) == 0:
		return problem(CodeSnapshotSetup, action, "The cluster has no VolumeSnapshotClass.")
	}
	return nil
}

func (v *validation) namespaces(ctx context.Context) error {
	if _, err := collect.LabelSelector(v.run.Spec.Backup.Selection); err != nil {
		return problem(CodeInvalidInput, "Correct the label selectors of the backup configuration.", "The selection cannot be read: %v", err)
	}
	existing, err := collect.ListNamespaces(ctx, v.kube)
	if err != nil {
		return err
	}
	_, warnings := collect.Namespaces(v.run.Spec.Backup.Selection, existing, v.options.Namespace)
	v.journal.warn(warnings...)
	return nil
}
