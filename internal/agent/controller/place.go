package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/gate"
	"holdfast.dev/holdfast/internal/objstore/wrap"
	"holdfast.dev/holdfast/internal/repo"
)

// place is where a run's repository lies, and the key to it. It is never logged.
type place struct {
	store objstore.Store // of the repository alone
	id    string         // the repository's id when it has to be made
	key   repo.Key
	gate  *gate.Store // behind store, when the repository is reached through it
}

// place reads a run's grant and opens its storage location.
func (w *worker) place(ctx context.Context, spec *v1alpha1.RunSpec) (place, error) {
	grant, err := w.grant(ctx, spec.GrantSecret)
	if err != nil {
		return place{}, err
	}
	return w.placeOf(ctx, grant)
}

func (w *worker) placeOf(ctx context.Context, grant v1alpha1.Grant) (place, error) {
	if grant.Gate != nil {
		return behindGate(ctx, grant.RepositoryGrant)
	}
	key, err := repo.ParseKey(grant.Key)
	if err != nil {
		return place{}, problem(CodeGrantMissing, "Start the operation again.", "The grant of the operation has no usable key.")
	}
	location := grant.Location
	if location == nil {
		own, err := w.options.Location()
		if err != nil {
			return place{}, problem(CodeNoLocation, "Install the extension again with a storage account and a container.", "The extension has no storage location: %v", err)
		}
		location = &own
	}
	bucket, err := w.options.Open(ctx, *location)
	if err != nil {
		return place{}, fmt.Errorf("open storage location: %w", err)
	}
	return place{store: objstore.Sub(bucket, grant.Prefix), id: repositoryID(grant.Prefix), key: key}, nil
}

// behindGate opens the store of a repository that the gate leads to. It is
// open until ctx ends.
func behindGate(ctx context.Context, grant agentv1.RepositoryGrant) (place, error) {
	key, err := repo.ParseKey(grant.Key)
	if err != nil || grant.Gate == nil {
		return place{}, problem(CodeGrantMissing, "Start the operation again.", "The grant of the operation has no usable key, or no way to the vault.")
	}
	store, err := gate.Open(ctx, *grant.Gate, gate.Options{})
	if err != nil {
		return place{}, fmt.Errorf("open the vault: %w", err)
	}
	return place{store: wrap.Retry(wrap.Patience(store, 0), wrap.Retries{}), id: repositoryID(grant.Prefix), key: key, gate: store}, nil
}

func (w *worker) grant(ctx context.Context, name string) (v1alpha1.Grant, error) {
	var grant v1alpha1.Grant
	secret := &corev1.Secret{}
	err := w.client.Get(ctx, types.NamespacedName{Namespace: w.options.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return grant, problem(CodeGrantMissing, "Start the operation again.", "The Secret %s with the grant of the operation does not exist.", name)
	}
	if err != nil {
		return grant, fmt.Errorf("get secret %s: %w", name, err)
	}
	if json.Unmarshal(secret.Data[v1alpha1.GrantKey], &grant) != nil { // its error might quote the key
		return grant, problem(CodeGrantMissing, "Start the operation again.", "The Secret %s holds no readable grant.", name)
	}
	return grant, nil
}

// open opens the repository, which must exist.
func (p place) open(ctx context.Context) (*repo.Repository, error) {
	r, err := repo.Open(ctx, p.store, p.key)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	return r, nil
}

// create opens the repository, and makes it where there is none.
func (p place) create(ctx context.Context) (*repo.Repository, error) {
	r, err := p.open(ctx)
	if !errors.Is(err, repo.ErrNoRepository) {
		return r, err
	}
	if err := repo.Create(ctx, p.store, p.key, repo.CreateOptions{ID: p.id}); err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	return p.open(ctx)
}

var hex32 = regexp.MustCompile(`^[0-9a-f]{32}$`)

// repositoryID is the same whoever makes the repository of a prefix: its last
// part where that is an id, else derived from it.
func repositoryID(prefix string) string {
	if last := path.Base(prefix); hex32.MatchString(last) {
		return last
	}
	sum := sha256.Sum256([]byte(prefix))
	return hex.EncodeToString(sum[:16])
}
