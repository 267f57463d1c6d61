package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	armpolicy "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/policy"
	armruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/catalogtest"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/keys"
	"holdfast.dev/holdfast/internal/operations"
	"holdfast.dev/holdfast/internal/provider"
	"holdfast.dev/holdfast/internal/provider/buckets"
	"holdfast.dev/holdfast/internal/resourceid"
)

// Where things lie in the test's world.
const (
	tenant    = "11111111-1111-4111-8111-111111111111"
	sub       = "/subscriptions/S"
	group     = sub + "/resourceGroups/rg"
	vaultAt   = group + "/providers/Microsoft.DataProtection/backupVaults/v1"
	policyAt  = vaultAt + "/backupPolicies/akspolicy"
	at        = vaultAt + "/backupInstances/i1"
	clusterAt = sub + "/resourceGroups/aksrg/providers/Microsoft.ContainerService/managedClusters/aks1"
	secondAt  = sub + "/resourceGroups/aksrg/providers/Microsoft.ContainerService/managedClusters/aks2"
	accountAt = sub + "/resourceGroups/aksrg/providers/Microsoft.Storage/storageAccounts/acct"
	boxAt     = accountAt + "/blobServices/default/containers/c01"
	extAt     = clusterAt + "/providers/Microsoft.KubernetesConfiguration/extensions/azure-aks-backup"
	bindingAt = clusterAt + "/trustedAccessRoleBindings/b1"
	pointName = "84231923703f467e8825cd194927de55"
)

// world is the whole REST API over an in-memory catalog and folders as
// stores. The test plays the workflow.
type world struct {
	*httptest.Server
	t     *testing.T
	store *catalogtest.Memory
	count *counted // the way of requests to the store
	clock *clock.Manual
	root  string // of the stores

	secrets *keys.Sealer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldIn(t, nil)
}

// newWorldIn is newWorld in one of several regions.
func newWorldIn(t *testing.T, regions backup.Regions) *world {
	t.Helper()
	w := &world{t: t, store: catalogtest.NewMemory(), root: t.TempDir(),
		clock: clock.NewManual(time.Date(2026, 1, 12, 6, 0, 0, 0, time.UTC))}
	w.count = &counted{Store: w.store}
	platform := provider.NewPlatform(w.store, w.clock, tenant, regions)
	kek, err := keys.OpenFile(filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	w.secrets = keys.NewSealer(kek)
	product := provider.New(provider.Config{
		Store: w.count, Clock: w.clock, TenantID: tenant, Buckets: buckets.Buckets{Root: "file://" + w.root, Secrets: w.secrets},
		Secrets: w.secrets, Tokens: w, AgentAddress: "https://agents:9443", ServiceCA: "PEM", Folders: []string{w.root}, Regions: regions,
	})
	server, err := arm.New(arm.Config{
		Types: platform.Types(product.Types()), Polls: append(platform.Polls(), product.Polls()...),
		Authenticator: w, Assignments: w, Scopes: platform, Store: w.store, Clock: w.clock,
		Log: slog.New(slog.DiscardHandler), RetryAfter: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Server = httptest.NewTLSServer(server)
	t.Cleanup(w.Close)
	w.update(func(tx catalog.Tx) error {
		s := &inventory.Subscription{Meta: backup.Meta{ID: sub}}
		if err := inventory.Subscriptions.Put(tx, s); err != nil {
			return err
		}
		for _, name := range []string{"rg", "aksrg", "snapshotrg"} {
			g := &inventory.ResourceGroup{Meta: backup.Meta{ID: sub + "/resourceGroups/" + name, Location: "eastus"}}
			if err := inventory.ResourceGroups.Put(tx, g); err != nil {
				return err
			}
		}
		return nil
	})
	return w
}

// Authenticate takes the token for the caller's name.
func (w *world) Authenticate(r *http.Request) (access.Principal, error) {
	name := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	return access.Principal{ObjectID: name, Name: name, Kind: access.User, TenantID: tenant}, nil
}

// Assignments: the owner has everything, the operator the vault's group only, the
// stranger what nobody has heard of here, the neighbour the second cluster.
func (w *world) Assignments(_ context.Context, p access.Principal) ([]access.Assignment, error) {
	roles := map[string]struct{ role, scope string }{
		"owner":       {access.RoleOwner, sub},
		"reader":      {access.RoleBackupReader, group},
		"operator":    {access.RoleBackupOperator, group},
		"contributor": {access.RoleBackupContributor, group},
		"stranger":    {access.RoleOwner, strangeSub},
		"neighbour":   {access.RoleOwner, secondAt},
	}
	held, ok := roles[p.ObjectID]
	if !ok {
		return nil, nil
	}
	role, _ := access.RoleByName(held.role)
	return []access.Assignment{{PrincipalID: p.ObjectID, RoleID: role.ID, Scope: resourceid.MustParse(held.scope)}}, nil
}

// IssueEnrolment hands out a token without remembering it.
func (w *world) IssueEnrolment(_ catalog.Tx, clusterID, role string) (string, time.Time, error) {
	return "token-for-" + role + "-of-" + clusterID[strings.LastIndexByte(clusterID, '/')+1:], w.clock.Now().Add(time.Hour), nil
}

func (w *world) update(fn func(catalog.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// caller is a credential for Authenticate.
type caller string

func (c caller) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(c), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// pipeline is azcore's ARM pipeline, as every generated client uses it.
func (w *world) pipeline(as string) runtime.Pipeline {
	w.t.Helper()
	p, err := armruntime.NewPipeline("test", "v1", caller(as), runtime.PipelineOptions{}, &armpolicy.ClientOptions{
		DisableRPRegistration: true,
		ClientOptions: policy.ClientOptions{
			Transport: w.Client(), Retry: policy.RetryOptions{MaxRetries: -1},
			Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: w.URL, Audience: w.URL}}},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// answer is one response, its body decoded.
type answer struct {
	*http.Response
	body map[string]any
	raw  []byte
}

// do sends one request as the named caller.
func (w *world) do(as, method, path, body string) answer {
	w.t.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	req, err := runtime.NewRequest(w.t.Context(), method, w.URL+path+sep+"api-version=2025-07-01")
	if err != nil {
		w.t.Fatal(err)
	}
	req.Raw().Header.Set("Accept", "application/json")
	if body != "" {
		if err := req.SetBody(nopCloser{strings.NewReader(body)}, "application/json"); err != nil {
			w.t.Fatal(err)
		}
	}
	resp, err := w.pipeline(as).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.read(resp)
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func (w *world) read(resp *http.Response) answer {
	w.t.Helper()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw)) // pollers read it again
	a := answer{Response: resp, raw: raw}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			w.t.Fatalf("%s: %v", raw, err)
		}
	}
	return a
}

// must is do as the owner; a status that is not wanted ends the test.
func (w *world) must(want int, method, path, body string) answer {
	w.t.Helper()
	a := w.do("owner", method, path, body)
	if a.StatusCode != want {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, a.StatusCode, a.raw, want)
	}
	return a
}

// at walks into the decoded body by names separated by dots.
func (a answer) at(path string) any {
	var v any = a.body
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// code is the error code of the body, which must be that of the header.
func (a answer) code(t *testing.T) string {
	t.Helper()
	code, _ := a.at("error.code").(string)
	if a.StatusCode >= 400 && code != a.Header.Get("X-Ms-Error-Code") {
		t.Errorf("code %q in the body, %q in the header", code, a.Header.Get("X-Ms-Error-Code"))
	}
	return code
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// poll follows an answer to its end with azcore's poller.
func poll(w *world, a answer) (map[string]any, error) {
	w.t.Helper()
	poller, err := runtime.NewPoller[map[string]any](a.Response, w.pipeline("owner"), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return poller.PollUntilDone(w.t.Context(), &runtime.PollUntilDoneOptions{Frequency: time.Second})
}

// work takes what was enqueued since the last call.
func (w *world) work() []backup.Work {
	w.t.Helper()
	var all []backup.Work
	for _, job := range w.store.TakeJobs() {
		var work backup.Work
		if err := json.Unmarshal(job.Args, &work); err != nil || string(work.Kind) != job.Kind {
			w.t.Fatalf("job %s with %s: %v", job.Kind, job.Args, err)
		}
		if work.Kind != backup.WorkPlan { // follows every change of an instance
			all = append(all, work)
		}
	}
	return all
}

// finish plays the workflow: all work ends well.
func (w *world) finish() {
	w.t.Helper()
	for _, work := range w.work() {
		if work.OperationID == "" {
			continue // nobody waits for it
		}
		w.update(func(tx catalog.Tx) error {
			result, err := w.carryOut(tx, work)
			if err != nil {
				return err
			}
			return operations.Succeed(tx, w.clock.Now(), work.OperationID, result)
		})
	}
}

func (w *world) carryOut(tx catalog.Tx, work backup.Work) (json.RawMessage, error) {
	switch work.Kind {
	case backup.WorkConfigureInstance:
		i, err := inventory.Instances.Get(tx, work.Subject)
		if err != nil {
			return nil, err
		}
		if p := i.Step(backup.EventConfigured); p != nil {
			return nil, p
		}
		i.State = backup.StateSucceeded
		return nil, inventory.Instances.Put(tx, i)
	case backup.WorkDeleteInstance:
		return nil, w.carryOutDeletion(tx, work.Subject)
	case backup.WorkBackup, backup.WorkRestore:
		job, err := inventory.Jobs.Get(tx, work.Subject)
		if err != nil {
			return nil, err
		}
		job.Complete(w.clock.Now(), nil)
		return operations.JobInfo(job.ID), inventory.Jobs.Put(tx, job)
	case backup.WorkInstallExtension:
		e, err := inventory.Extensions.Get(tx, work.Subject)
		if err != nil {
			return nil, err
		}
		e.State, e.CurrentVersion = backup.StateSucceeded, "0.1.0"
		return nil, inventory.Extensions.Put(tx, e)
	case backup.WorkDeleteExtension:
		return nil, inventory.Extensions.Delete(tx, work.Subject)
	default:
		return nil, nil
	}
}

// carryOutDeletion keeps what is in the vault, as the workflow does.
func (w *world) carryOutDeletion(tx catalog.Tx, id string) error {
	i, err := inventory.Instances.Get(tx, id)
	if err != nil {
		return err
	}
	points, err := inventory.RecoveryPoints.Below(tx, id)
	if err != nil {
		return err
	}
	kept := false
	for _, p := range points {
		_, vaulted := p.Store(backup.TierVault)
		kept = kept || vaulted
	}
	if kept && i.Deletion.KeepDays > 0 {
		if err := inventory.Deleted.Put(tx, i.SoftDeleted(w.clock.Now())); err != nil {
			return err
		}
	}
	return inventory.Instances.Delete(tx, id)
}

const (
	vaultBody = `{"identity":{"type":"SystemAssigned"},"location":"East US","properties":{"securitySettings":{"softDeleteSettings":{"retentionDurationInDays":14.0,"state":"AlwaysOn"}},"storageSettings":[{"datastoreType":"VaultStore","type":"LocallyRedundant"}]}}`
	boxBody   = `{"properties":{}}`
	extBody   = `{"identity":{"type":"SystemAssigned"},"properties":{"extensionType":"Microsoft.DataProtection.Kubernetes","autoUpgradeMinorVersion":true,"releaseTrain":"stable","scope":{"cluster":{"releaseNamespace":"dataprotection-microsoft"}},
"configurationSettings":{"configuration.backupStorageLocation.bucket":"c01","configuration.backupStorageLocation.config.storageAccount":"acct","configuration.backupStorageLocation.config.resourceGroup":"aksrg","configuration.backupStorageLocation.config.subscriptionId":"S","credentials.tenantId":"T"}}}`
	bindingBody = `{"properties":{"sourceResourceId":"` + vaultAt + `","roles":["Microsoft.DataProtection/backupVaults/backup-operator"]}}`
	accountBody = `{"location":"eastus","sku":{"name":"Standard_LRS"},"kind":"StorageV2"}`
	clusterBody = `{"location":"eastus"}`
)

// prepare makes a world in which an instance can be configured.
func prepare(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.must(201, "PUT", vaultAt, vaultBody)
	w.must(200, "PUT", policyAt, testdata(t, "policy.json"))
	w.must(201, "PUT", clusterAt, clusterBody)
	w.must(201, "PUT", secondAt, clusterBody)
	w.must(200, "PUT", accountAt, accountBody)
	w.must(201, "PUT", boxAt, boxBody)
	return w
}

// protect makes a world with a protected cluster and one recovery point.
func protect(t *testing.T) *world {
	t.Helper()
	w := prepare(t)
	w.must(201, "PUT", at, testdata(t, "instance.json"))
	w.finish()
	w.addPoint(pointName, w.clock.Now())
	return w
}

func (w *world) addPoint(name string, when time.Time) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		return inventory.RecoveryPoints.Put(tx, &backup.RecoveryPoint{
			Meta: backup.Meta{ID: at + "/recoveryPoints/" + name}, Time: when, PolicyID: policyAt,
			Tag: "Default", TagVersion: "637000000000000000", Namespaces: []string{"test"},
			Stores: []backup.RecoveryStore{{ID: "1", Tier: backup.TierOperational, Created: when, ContainerID: boxAt}},
		})
	})
}

// snapshot is the whole catalog as text, to show that a request changed nothing.
func (w *world) snapshot() string {
	w.t.Helper()
	var b strings.Builder
	err := w.store.View(context.Background(), func(tx catalog.Tx) error {
		for _, kind := range []string{"vault", "policy", "instance", "deleted-instance", "job", "recovery-point", "cluster", "extension", "trusted-access", "storage-account", "container", "user-identity", "operation"} {
			docs, err := tx.List(catalog.Query{Kind: kind})
			if err != nil {
				return err
			}
			for _, d := range docs {
				b.WriteString(kind + " " + d.ID + " " + d.ETag + "\n")
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}
