// Package provider declares the resource types of the public API to the arm
// framework, one file per type: the paths, the converters between wire and
// domain, and the actions. Rules live in the domain; what takes long is asked
// of the workflow in the transaction that changes the documents.
package provider

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
)

// Config is what the resource types need. Everything but Folders, Regions and
// Daily is required.
type Config struct {
	Store    catalog.Store
	Clock    clock.Clock
	TenantID string // shown in identities
	Buckets  Buckets
	Tokens   Tokens
	Secrets  Sealer
	// AgentAddress is what connectors call, https://host:port; ServiceCA is the
	// PEM they trust it by.
	AgentAddress string
	ServiceCA    string
	// Folders are the absolute paths below which storage accounts may have
	// stores of their own; none when empty.
	Folders []string
	// Regions are those that vaults are replicated between.
	Regions backup.Regions
	// Daily bounds what users may start on an instance.
	Daily backup.Daily
}

// Buckets reaches the real stores behind storage accounts.
type Buckets interface {
	// Create makes the container; one that exists is no error.
	Create(ctx context.Context, account backup.StorageAccount, container string) error
	// Empty says whether the container has no objects. A container that does
	// not exist is ErrNoContainer.
	Empty(ctx context.Context, account backup.StorageAccount, container string) (bool, error)
}

// ErrNoContainer says that a container does not exist in the real store.
var ErrNoContainer = errors.New("container does not exist")

// Tokens issues one-time tokens with which a cluster's connector enrols.
type Tokens interface {
	IssueEnrolment(tx catalog.Tx, clusterID, role string) (token string, expires time.Time, err error)
}

// Provider holds the handlers.
type Provider struct{ Config }

// New returns the resource types over c.
func New(c Config) *Provider { return &Provider{c} }

// Types declares every resource type.
func (p *Provider) Types() []arm.Type {
	return []arm.Type{
		p.vaults(), p.vaultLocations(), p.crossRegion(), p.providerOperations(), p.policies(),
		p.instances(), p.deletedInstances(), p.recoveryPoints(), p.jobs(),
		p.clusters(), p.trustedAccessBindings(), p.trustedAccessRoles(), p.extensions(),
		p.storageAccounts(), p.containers(), p.userIdentities(),
	}
}

// Polls declares where operations are followed.
func (p *Provider) Polls() []arm.Poll {
	return []arm.Poll{pollVault, pollExport, pollInstance, pollInstanceAction, pollGroup, pollCluster, pollExtension}
}

// bucketTimeout bounds one question to a real store.
const bucketTimeout = 20 * time.Second

// groupPath and subscriptionPath are the templates of the two scopes.
const (
	subscriptionPath = "/subscriptions/{subscription}"
	groupPath        = subscriptionPath + "/resourceGroups/{resourceGroup}"
	backupNamespace  = "/providers/Microsoft.DataProtection/"
)

// existing turns the not-found error of a read into a nil value.
func existing[T any](v *T, err error) (*T, error) {
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

// etagOf returns the ETag of a document that may be absent.
func etagOf(meta *backup.Meta) string {
	if meta == nil {
		return ""
	}
	return meta.ETag
}

// newGUID returns a random UUID of version 4.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// newHex returns 32 random hex digits.
func newHex() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func random10() (b [10]byte) {
	rand.Read(b[:]) // never fails
	return b
}
