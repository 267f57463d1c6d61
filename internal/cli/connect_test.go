package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast.dev/holdfast/internal/cli/console"
)

const clusterPath = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/prod"

// kubeconfig is that of a cluster with the uid u-1 and nothing in it.
func kubeconfig(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/api/v1/namespaces/kube-system":
			fmt.Fprint(w, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"u-1"}}`)
		case r.URL.Path == "/version":
			fmt.Fprint(w, `{"major":"1","minor":"37","gitVersion":"v1.37.2"}`)
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/secrets"):
			fmt.Fprint(w, `{"kind":"SecretList","apiVersion":"v1","items":[]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"not there","code":404}`)
		}
	}))
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	content := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: %q}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u}]\n", srv.URL)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A cluster that is connected under another name is refused with the remedy, and
// the resource that was made for it goes again.
func TestConnectOfAConnectedCluster(t *testing.T) {
	f := newFixture(t)
	config := kubeconfig(t)
	f.answers["PUT "+clusterPath], f.answers["DELETE "+clusterPath] = `{"name":"prod"}`, `{}`
	f.refusals = map[string]string{"POST " + clusterPath + "/createConnectToken": `{"error":{"code":"UserErrorClusterAlreadyConnected","message":"connected already, as x",
		"additionalInfo":[{"type":"UserFacingError","info":{"recommendedAction":["holdfast cluster disconnect --name x"]}}]}}`}
	for _, flags := range [][]string{nil, {"--take-over"}} {
		f.requests = nil
		code, _, errs := f.run(append([]string{"cluster", "connect", "-n", "prod", "-l", "local", "--kubeconfig", config}, flags...)...)
		if code != console.ExitFailed || !strings.Contains(errs, "as x") || !strings.Contains(errs, "code: UserErrorClusterAlreadyConnected") || !strings.Contains(errs, "what to do: holdfast cluster disconnect --name x") {
			t.Errorf("exit %d: %s", code, errs)
		}
		if got := fmt.Sprint(f.sent("POST", clusterPath+"/createConnectToken")); got != map[bool]string{false: "map[clusterUid:u-1]", true: "map[clusterUid:u-1 takeOver:true]"}[flags != nil] {
			t.Errorf("sent %s", got)
		}
		if last := f.requests[len(f.requests)-1]; last != "DELETE "+clusterPath+" " {
			t.Errorf("the new resource stays; last was %s", last)
		}
	}
	// One that was there before stays.
	f.answers["GET "+clusterPath], f.requests = `{"name":"prod"}`, nil
	f.run("cluster", "connect", "-n", "prod", "--kubeconfig", config)
	if slices.Contains(f.requests, "DELETE "+clusterPath+" ") {
		t.Errorf("deleted what it had not made: %v", f.requests)
	}
}

// The service is told under which name a cluster is disconnected, before anything
// is taken out of it; without a name it is asked for it.
func TestDisconnectTellsTheService(t *testing.T) {
	f := newFixture(t)
	args := []string{"cluster", "disconnect", "--yes", "--kubeconfig", kubeconfig(t)}
	f.answers["POST "+clusterPath+"/disconnect"] = `{}`
	f.answers["GET /subscriptions/s/providers/Microsoft.ContainerService/managedClusters"] = fmt.Sprintf(
		`{"value":[{"id":"/other","properties":{"holdfastConnection":{"clusterUid":"u-2"}}},{"id":%q,"properties":{"holdfastConnection":{"clusterUid":"U-1"}}},
		{"id":"/before","properties":{"holdfastConnection":{"clusterUid":"u-1","state":"Disconnected","reason":{"code":"x"}}}},
		{"id":"/never","properties":{"holdfastConnection":{"clusterUid":"u-1","state":"NeverConnected"}}}]}`, clusterPath)
	for _, name := range [][]string{{"--name", "prod"}, nil} {
		f.requests = nil
		f.must(append(args, name...)...)
		if got := fmt.Sprint(f.sent("POST", clusterPath+"/disconnect")); got != "map[clusterUid:u-1]" {
			t.Errorf("sent %s", got)
		}
	}
	if code, _, errs := f.run(append(args, "--name", "other")...); code != console.ExitNotFound {
		t.Errorf("a cluster that does not exist: exit %d %s", code, errs)
	}
	delete(f.answers, "GET /subscriptions/s/providers/Microsoft.ContainerService/managedClusters")
	if code, _, errs := f.run(args...); code != 0 || !strings.Contains(errs, "The service was not told") {
		t.Errorf("without a service: exit %d %s", code, errs)
	}
}
