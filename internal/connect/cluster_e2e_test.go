//go:build e2e

package connect_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/session/sessiontest"
	"holdfast.dev/holdfast/internal/connect"
)

// TestConnectInstallRemove goes through the life of an extension in the cluster
// of KUBECONFIG, which reaches this machine at HOST_ADDRESS and has the image
// of the chart's default. Pods are killed on the way.
func TestConnectInstallRemove(t *testing.T) {
	config, err := connect.Config(os.Getenv("KUBECONFIG"), "")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST_ADDRESS"), "0"))
	if err != nil {
		t.Fatal(err)
	}
	service := sessiontest.Start(listener)
	service.LeaseSeconds = 5
	defer service.Close()
	token := fmt.Sprint("connector-", time.Now().UnixNano())
	service.NewToken(token, agentv1.RoleConnector)
	requests := map[string]string{"cpu": "50m", "memory": "64Mi"}
	err = connect.Install(t.Context(), config, connect.Inputs{
		Token: token, AgentAddress: service.Address(), ServiceCA: service.CA(), Requests: requests,
		Progress: func(message string) { t.Log(message) }, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)

	t.Run("refuse a setting", func(t *testing.T) {
		install(t, service, "bad", "file:///tmp", map[string]string{"resources.requests.cpu": "many"})
		if got := end(t, service, "bad"); got.Problem == nil || got.Problem.Target != "resources.requests.cpu" {
			t.Errorf("finished %+v", got)
		}
	})
	t.Run("install while everything is killed", func(t *testing.T) {
		install(t, service, "install", "file:///var/tmp", map[string]string{"resources.requests.cpu": "50m", "resources.requests.memory": "64Mi"})
		for range 3 {
			time.Sleep(3 * time.Second)
			kill(t, client, "kube-system", "app.kubernetes.io/part-of=holdfast")
		}
		got := end(t, service, "install")
		if got.Outcome != agentv1.OutcomeSucceeded {
			t.Fatalf("finished %+v %+v", got, got.Problem)
		}
		t.Logf("result %s", got.Result)
	})
	t.Run("an operation reaches a run object", func(t *testing.T) {
		service.Offer("validate", agentv1.KindValidateBackup, agentv1.Backup{
			InstanceID: "/i", RecoveryPointID: "0123456789abcdef0123456789abcdef", Selection: agentv1.Selection{IncludedNamespaces: []string{"default"}},
			Repository: agentv1.RepositoryGrant{Prefix: "p/", Key: make([]byte, 32)},
		}, time.Now().Add(2*time.Minute))
		time.Sleep(time.Second)
		kill(t, client, "holdfast", "app.kubernetes.io/name=holdfast-agent")
		t.Logf("finished %+v", end(t, service, "validate"))
	})
	t.Run("remove", func(t *testing.T) {
		service.Offer("remove", agentv1.KindDeleteExtension, agentv1.DeleteExtension{Name: "azure-aks-backup"}, time.Now().Add(3*time.Minute))
		time.Sleep(2 * time.Second)
		kill(t, client, "kube-system", "app.kubernetes.io/part-of=holdfast")
		if got := end(t, service, "remove"); got.Outcome != agentv1.OutcomeSucceeded {
			t.Fatalf("finished %+v %+v", got, got.Problem)
		}
		pods, err := client.CoreV1().Pods("holdfast").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(pods.Items) != 0 {
			t.Errorf("pods left: %d %v", len(pods.Items), err)
		}
	})
	if err := connect.Remove(context.WithoutCancel(t.Context()), config, nil); err != nil {
		t.Error(err)
	}
}

func install(t *testing.T, service *sessiontest.Service, id, location string, settings map[string]string) {
	t.Helper()
	token := fmt.Sprint(id, time.Now().UnixNano())
	service.NewToken(token, agentv1.RoleExtension)
	service.Offer(id, agentv1.KindInstallExtension, agentv1.InstallExtension{
		Name: "azure-aks-backup", ExtensionType: "microsoft.dataprotection.kubernetes", Token: token,
		AgentAddress: service.Address(), ServiceCA: string(service.CA()), Location: agentv1.StorageLocation{URL: location}, Settings: settings,
	}, time.Now().Add(5*time.Minute))
}

func end(t *testing.T, service *sessiontest.Service, id string) *agentv1.FinishRequest {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if got := service.Operation(id); got.Finished != nil {
			t.Logf("%s: %d deliveries, progress %+v", id, got.Deliveries, got.Progress)
			return got.Finished
		}
	}
	t.Fatalf("%s did not finish within 5 minutes", id)
	return nil
}

// kill ends pods at once, as a node that is switched off does.
func kill(t *testing.T, client kubernetes.Interface, namespace, labels string) {
	t.Helper()
	now := int64(0)
	err := client.CoreV1().Pods(namespace).DeleteCollection(t.Context(),
		metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{LabelSelector: labels})
	if err != nil {
		t.Fatal(err)
	}
}
