//go:build e2e

// Package controller runs the cluster side's controller, as a process of its
// own, against a real cluster: backups, deletions of recovery points, and kills
// in between.
package controller

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/api/k8s/v1alpha1"
	"holdfast.dev/holdfast/internal/agent/controller"
	"holdfast.dev/holdfast/internal/agent/movers"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/location"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/test/stand"
)

// asController, in the environment, makes the test binary be the controller.
const asController = "HOLDFAST_TEST_CONTROLLER"

func TestMain(m *testing.M) {
	if settings := os.Getenv(asController); settings != "" {
		os.Exit(beController(settings))
	}
	code, err := withCluster(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// kubeconfig is of the cluster that the tests use.
var kubeconfig string

// hostAddress is where pods reach this machine.
var hostAddress string

// kubectl runs a command on the cluster.
var kubectl func(ctx context.Context, args ...string) (string, error)

// withCluster brings up a cluster of the tests' own, and ends it; or uses the
// one that HOLDFAST_CLUSTER names, and leaves it.
func withCluster(run func() int) (int, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "holdfast-controller")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	name, given := os.LookupEnv("HOLDFAST_CLUSTER")
	s, err := stand.New(stand.Options{Name: cmp.Or(name, "ctl"), Dir: dir, Log: os.Stderr})
	if err != nil {
		return 1, err
	}
	if err := s.StartCluster(ctx); err != nil {
		return 1, err
	}
	kubeconfig, hostAddress, kubectl = s.Kubeconfig, s.Host, s.Kubectl
	ctrl.SetLogger(logr.Discard())
	code := run()
	if !given {
		err = s.StopCluster(ctx)
	}
	return code, err
}

// settings is what a controller process is told.
type settings struct {
	Kubeconfig, Namespace, Location, TempDir string
	Patience                                 time.Duration
	Elect                                    bool // be one of several replicas
	// Writes is a folder that remembers writes to the API server: the controller
	// dies of every one that none before it made. Empty lets it live.
	Writes string
}

func beController(raw string) int {
	var s settings
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		panic(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		panic(err)
	}
	if s.Writes != "" {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return dying{next, s.Writes} })
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err = controller.Run(ctx, config, controller.Options{
		Namespace: s.Namespace,
		Location:  controller.LocationFile(s.Location),
		Open:      open,
		Clock:     clock.System{},
		Log:       slog.New(slog.NewTextHandler(os.Stderr, nil)),
		TempDir:   s.TempDir,
		MoverPod: func(context.Context) (movers.Template, error) {
			return movers.Template{Image: "localhost/holdfast-agent:0.1.0", PullPolicy: corev1.PullIfNotPresent}, nil
		},

		SnapshotPatience: s.Patience,
		LeaderElection:   s.Elect,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func open(ctx context.Context, l agentv1.StorageLocation) (objstore.Store, error) {
	return location.Open(ctx, location.Location{URL: l.URL, Account: l.Account, Key: l.Key})
}

// world is a cluster with a namespace for the controller and one for an
// application, and a folder as storage location.
type world struct {
	t        *testing.T
	client   client.Client
	own, app string // names that no other test has
	bucket   string
	key      []byte
	process  *exec.Cmd
	patience time.Duration // for one snapshot; zero is the default
	elect    bool          // controllers are replicas of which one works
	writes   string        // where dying controllers remember their writes; empty lets them live
}

// newWorld lets the test run beside others: they mostly wait for the cluster.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	name := fmt.Sprintf("ctl%d", time.Now().UnixNano()%1e9)
	w := &world{t: t, own: name + "-own", app: name + "-app",
		bucket: t.TempDir(), key: bytes.Repeat([]byte{7}, 32), client: connect(t)}
	w.apply(mustRead(t, "../../../deploy/charts/holdfast/crds/*.yaml")...)
	for _, ns := range []string{w.own, w.app} {
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}
		w.create(object)
		t.Cleanup(func() { w.gone(object) })
	}
	w.secret()
	return w
}

// connect makes a client of the cluster.
func connect(t *testing.T) client.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, snapshotv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// secret puts the storage location and the grant of every run into place.
func (w *world) secret() {
	grant, err := json.Marshal(v1alpha1.Grant{RepositoryGrant: agentv1.RepositoryGrant{Prefix: "r/", Key: w.key}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.own, Name: "grant"},
		Data: map[string][]byte{v1alpha1.GrantKey: grant}})
}

// start runs a controller process.
func (w *world) start() {
	w.t.Helper()
	dir := w.t.TempDir()
	file := filepath.Join(dir, "location.json")
	raw, _ := json.Marshal(agentv1.StorageLocation{URL: "file://" + w.bucket})
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		w.t.Fatal(err)
	}
	told, _ := json.Marshal(settings{kubeconfig, w.own, file, dir, w.patience, w.elect, w.writes})
	log, err := os.OpenFile(filepath.Join(os.TempDir(), w.own+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), asController+"="+string(told))
	process.Stderr = log
	if err := process.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.process = process
	w.t.Cleanup(func() { process.Process.Kill(); process.Wait() }) // one that was waited for is no trouble
}

// kill ends the controller as a power failure would.
func (w *world) kill() {
	w.t.Helper()
	if err := w.process.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	w.process.Wait()
}

// apply creates or changes the objects of YAML documents.
func (w *world) apply(files ...string) {
	w.t.Helper()
	for _, file := range files {
		decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(file), 4096)
		for {
			object := &unstructured.Unstructured{}
			if err := decoder.Decode(object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				w.t.Fatal(err)
			}
			err := w.client.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"), client.ForceOwnership)
			if err != nil {
				w.t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
			}
		}
	}
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.client.Create(context.Background(), o); err != nil {
		w.t.Fatal(err)
	}
}

// gone deletes an object and waits until it is gone.
func (w *world) gone(o client.Object) {
	w.t.Helper()
	ctx := context.Background()
	if err := w.client.Delete(ctx, o); client.IgnoreNotFound(err) != nil {
		w.t.Errorf("delete %s: %v", o.GetName(), err)
	}
	w.until(o.GetName()+" to be gone", func() bool {
		return apierrors.IsNotFound(w.client.Get(ctx, client.ObjectKeyFromObject(o), o))
	})
}

// patience is for the cluster to do one thing, on a machine that is busy with
// much else.
const patience = 5 * time.Minute

func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// repository opens what the controller wrote.
func (w *world) repository() *repo.Repository {
	w.t.Helper()
	store, err := open(context.Background(), agentv1.StorageLocation{URL: "file://" + w.bucket})
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := repo.ParseKey(w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := repo.Open(context.Background(), objstore.Sub(store, "r/"), key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { r.Close() })
	return r
}

func mustRead(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	var documents []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(raw))
	}
	return documents
}
