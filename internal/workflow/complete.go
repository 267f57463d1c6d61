package workflow

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/gate/grants"
	"holdfast.dev/holdfast/internal/keys"
)

// refs name the secrets that an operation needs. They are stored with it; the
// secrets are not.
type refs struct {
	Repository string `json:"repository,omitempty"` // whose data key
	// Vault says that the repository lies in the vault's store, behind the gate;
	// Target is the data key of the one there that is written to.
	Vault  bool   `json:"vault,omitempty"`
	Target string `json:"target,omitempty"`
	Region string `json:"region,omitempty"` // whose replica of the vault is meant
	// Staging is the id of the container that the recovery point was hydrated into; it
	// is read there, and Source is the prefix of the repository it came from.
	Staging   string `json:"staging,omitempty"`
	Source    string `json:"source,omitempty"`
	Container string `json:"container,omitempty"` // id of the container whose location
	// Candidate says that the repository may have no key yet: only checks are
	// made, and any key will do for them.
	Candidate bool `json:"candidate,omitempty"`
}

func (r refs) pack() json.RawMessage {
	body, _ := json.Marshal(r) // cannot fail: strings and bools
	return body
}

func unpackRefs(o agentops.Operation) (refs, error) {
	var r refs
	if err := json.Unmarshal(o.Refs, &r); err != nil {
		return r, fmt.Errorf("references of agent operation %s: %w", o.ID, err)
	}
	return r, nil
}

// Complete puts the secrets into the spec of an operation that is handed out.
// What makes the operation impossible is a *agentv1.Problem.
func (w *Workflow) Complete(ctx context.Context, o agentops.Operation) (json.RawMessage, error) {
	spec, err := w.complete(ctx, o)
	if problem, ok := backup.AsProblem(err); ok {
		wire := wireProblem(*problem)
		return nil, &wire
	}
	return spec, err
}

func (w *Workflow) complete(ctx context.Context, o agentops.Operation) (json.RawMessage, error) {
	r, err := unpackRefs(o)
	if err != nil {
		return nil, err
	}
	switch o.Kind {
	case agentv1.KindInstallExtension:
		return fill(o, func(spec *agentv1.InstallExtension) error { return w.completeInstall(ctx, o, r, spec) })
	case agentv1.KindBackup, agentv1.KindValidateBackup:
		return fill(o, func(spec *agentv1.Backup) error { return w.grant(ctx, r, &spec.Repository) })
	case agentv1.KindDeleteRecoveryPoint:
		return fill(o, func(spec *agentv1.DeleteRecoveryPoint) error {
			return w.grantAt(ctx, r, &spec.Repository, &spec.Location)
		})
	case agentv1.KindRestore, agentv1.KindValidateRestore:
		return fill(o, func(spec *agentv1.Restore) error {
			if r.Vault {
				return w.grantReading(ctx, o, r, &spec.Repository)
			}
			return w.grantAt(ctx, r, &spec.Repository, &spec.Location)
		})
	case agentv1.KindVault:
		return fill(o, func(spec *agentv1.Vault) error {
			if err := w.grantAt(ctx, r, &spec.Source, &spec.Location); err != nil {
				return err
			}
			return w.grantVault(ctx, o, r.Target, &spec.Target, grants.Append, spec.RecoveryPointID)
		})
	case agentv1.KindDeleteExtension:
		return o.Spec, nil
	}
	return nil, fmt.Errorf("agent operation %s is of the unknown kind %s", o.ID, o.Kind)
}

// fill decodes a spec, lets change fill it, and encodes it again.
func fill[T any](o agentops.Operation, change func(*T) error) (json.RawMessage, error) {
	var spec T
	if err := json.Unmarshal(o.Spec, &spec); err != nil {
		return nil, fmt.Errorf("spec of agent operation %s: %w", o.ID, err)
	}
	if err := change(&spec); err != nil {
		return nil, err
	}
	return json.Marshal(spec)
}

// grant gives the data key of a repository.
func (w *Workflow) grant(ctx context.Context, r refs, grant *agentv1.RepositoryGrant) (err error) {
	grant.Key, err = w.Keys.Key(ctx, r.Repository)
	if errors.Is(err, catalog.ErrNotFound) && r.Candidate {
		grant.Key = make([]byte, keys.Size)
		rand.Read(grant.Key) // documented never to fail
		return nil
	}
	if errors.Is(err, catalog.ErrNotFound) {
		return backup.NewProblem(backup.CodeResourceNotFound, r.Repository, "the key of repository %s does not exist any more", r.Repository)
	}
	return err
}

// grantAt gives the data key of a repository that may lie in another location
// than the extension's own, which is then named too.
func (w *Workflow) grantAt(ctx context.Context, r refs, grant *agentv1.RepositoryGrant, location **agentv1.StorageLocation) error {
	if r.Container != "" {
		at, err := w.locate(ctx, r.Container)
		if err != nil {
			return err
		}
		*location = &at
	}
	return w.grant(ctx, r, grant)
}

// grantVault gives the data key of a repository in the vault's store, and a
// token for it that lives no longer than the operation. point is the recovery
// point that may be written, empty for none.
func (w *Workflow) grantVault(ctx context.Context, o agentops.Operation, keyName string, grant *agentv1.RepositoryGrant, rights grants.Rights, point string) error {
	token, err := w.Gate.Grant(grants.Grant{
		Operation: o.ID, Cluster: o.ClusterID, Store: VaultStore, Prefix: grant.Prefix, Rights: rights, RecoveryPoint: point,
	})
	if err != nil {
		return err
	}
	grant.Gate = &token
	return w.grant(ctx, refs{Repository: keyName}, grant)
}

// grantReading gives what reads a repository in the vault, in the replica of it in
// another region, or where a recovery point of it was hydrated.
func (w *Workflow) grantReading(ctx context.Context, o agentops.Operation, r refs, grant *agentv1.RepositoryGrant) error {
	store, source := VaultStore, grant.Prefix
	switch {
	case r.Staging != "":
		store, source = StagingStore(r.Staging, grant.Prefix), r.Source
	case r.Region != "":
		store = ReplicaStore(r.Region)
	}
	token, err := w.Gate.Grant(grants.Grant{Operation: o.ID, Cluster: o.ClusterID, Store: store, Prefix: grant.Prefix, Rights: grants.Read})
	if err != nil {
		return err
	}
	grant.Gate = &token
	if r.Region == "" {
		return w.grant(ctx, refs{Repository: r.Repository}, grant)
	}
	grant.Key, err = w.replicaKey(ctx, r.Region, source, r.Repository)
	return err
}

// completeInstall issues the token with which the extension's agent enrols.
func (w *Workflow) completeInstall(ctx context.Context, o agentops.Operation, r refs, spec *agentv1.InstallExtension) (err error) {
	spec.AgentAddress, spec.ServiceCA = w.AgentAddress, w.ServiceCA
	if spec.Location, err = w.locate(ctx, r.Container); err != nil {
		return err
	}
	return w.Store.Update(ctx, func(tx catalog.Tx) (err error) {
		spec.Token, _, err = w.Enrolments.IssueEnrolment(tx, o.ClusterID, string(agentv1.RoleExtension))
		return err
	})
}
