package provider_test

import (
	"strings"
	"testing"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
)

const (
	kubeUID  = `{"clusterUid":"6E1F0C4A-0000-4000-8000-000000000001"}`
	otherUID = `{"clusterUid":"6e1f0c4a-0000-4000-8000-000000000002"}`
)

func takingOver(uid string) string { return strings.Replace(uid, "}", `,"takeOver":true}`, 1) }

// enrol plays the connector of a cluster, with the token it was given.
func (w *world) enrol(cluster string) {
	w.t.Helper()
	w.update(func(tx catalog.Tx) error {
		for _, role := range []string{backup.RoleConnector, backup.RoleExtension} {
			c := &backup.Connection{Meta: backup.Meta{ID: backup.ConnectionID(cluster, role)}, Role: role, LastSeen: w.clock.Now()}
			if err := inventory.Connections.Put(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// connected is a world whose first cluster is connected, and has the extension.
func connected(t *testing.T) *world {
	w := prepare(t)
	w.must(200, "POST", clusterAt+"/createConnectToken", kubeUID)
	w.enrol(clusterAt)
	w.must(201, "PUT", extAt, extBody)
	w.finish()
	return w
}

// TestClusterIsConnectedUnderOneName: a second name is refused, and told which is
// the first, unless it is taken over.
func TestClusterIsConnectedUnderOneName(t *testing.T) {
	t.Parallel()
	w := connected(t)
	before := w.snapshot()
	a := w.must(409, "POST", secondAt+"/createConnectToken", strings.ToLower(kubeUID[:14])+strings.ToLower(kubeUID[14:]))
	if a.code(t) != "UserErrorClusterAlreadyConnected" || !strings.Contains(string(a.raw), "as "+clusterAt) ||
		!strings.Contains(string(a.raw), "holdfast cluster disconnect -g aksrg --name aks1") || !strings.Contains(string(a.raw), "--take-over") {
		t.Errorf("%s", a.raw)
	}
	// Who is away may come back: silence gives no name up.
	w.clock.Advance(time.Hour)
	w.must(409, "POST", secondAt+"/createConnectToken", kubeUID)
	if w.snapshot() != before {
		t.Error("the refused request changed something")
	}
	if a := w.do("neighbour", "POST", secondAt+"/createConnectToken", takingOver(kubeUID)); a.StatusCode != 403 || a.code(t) != "LinkedAuthorizationFailed" {
		t.Errorf("taken from somebody else: %d %s", a.StatusCode, a.raw)
	}
	w.must(200, "POST", clusterAt+"/createConnectToken", kubeUID) // its own name, to repair it
	w.must(200, "POST", secondAt+"/createConnectToken", otherUID) // another cluster
	w.must(200, "POST", secondAt+"/createConnectToken", "")       // of an older client, which does not tell
	w.must(200, "POST", secondAt+"/createConnectToken", takingOver(kubeUID))
	if a := w.must(200, "GET", clusterAt, ""); a.at("properties.holdfastConnection.reason") != nil {
		t.Errorf("taken over before the connector has enrolled: %s", a.raw)
	}
}

// TestNameStandsForOneCluster: a connected cluster does not lose its name to another.
func TestNameStandsForOneCluster(t *testing.T) {
	t.Parallel()
	w := connected(t)
	a := w.must(409, "POST", clusterAt+"/createConnectToken", otherUID)
	if a.code(t) != "UserErrorClusterNameInUse" || !strings.Contains(string(a.raw), "--take-over") {
		t.Errorf("%s", a.raw)
	}
	w.must(200, "POST", clusterAt+"/createConnectToken", takingOver(otherUID))
	if a := w.must(200, "GET", clusterAt, ""); a.at("properties.holdfastConnection.clusterUid") != "6e1f0c4a-0000-4000-8000-000000000002" {
		t.Errorf("%s", a.raw)
	}
	w.clock.Advance(time.Hour) // a cluster that is gone is made anew under its name
	w.must(200, "POST", clusterAt+"/createConnectToken", kubeUID)
	w.must(200, "PUT", clusterAt, `{"location":"eastus","tags":{"a":"b"}}`)
	if a := w.must(200, "GET", clusterAt, ""); a.at("properties.holdfastConnection.clusterUid") == nil {
		t.Errorf("a change of tags forgot which cluster it is: %s", a.raw)
	}
}

// TestDisconnect: the cluster counts as disconnected at once, says why, and may be
// connected under another name.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	w := connected(t)
	if a := w.must(409, "POST", clusterAt+"/disconnect", otherUID); a.code(t) != "UserErrorClusterIsAnother" {
		t.Errorf("%s", a.raw)
	}
	for range 2 {
		a := w.must(200, "POST", clusterAt+"/disconnect", kubeUID)
		state := a.at("properties.holdfastConnection").(map[string]any)
		if state["state"] != "Disconnected" || state["extensionState"] != "Disconnected" || a.at("properties.powerState.code") != "Stopped" ||
			a.at("properties.holdfastConnection.reason.code") != "UserErrorClusterDisconnected" {
			t.Errorf("%s", a.raw)
		}
	}
	if a := w.must(200, "GET", extAt, ""); a.at("properties.provisioningState") != "Failed" || a.at("properties.errorInfo.code") != "UserErrorClusterDisconnected" {
		t.Errorf("%s", a.raw)
	}
	w.must(200, "POST", secondAt+"/createConnectToken", kubeUID)
	w.enrol(secondAt)
	if a := w.must(409, "POST", clusterAt+"/disconnect", kubeUID); a.code(t) != "UserErrorClusterIsAnother" || !strings.Contains(string(a.raw), "connected as "+secondAt) {
		t.Errorf("disconnected under the name it had: %s", a.raw)
	}
	w.must(200, "POST", clusterAt+"/disconnect", "")
	w.must(404, "POST", clusterAt+"9/disconnect", "")
	if a := w.do("operator", "POST", clusterAt+"/disconnect", ""); a.StatusCode != 403 {
		t.Errorf("%d %s", a.StatusCode, a.raw)
	}
}
