package everyday

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/cli/instance"
	"holdfast.dev/holdfast/internal/cli/vault"
)

func status(c *console.Console) *cobra.Command {
	return &cobra.Command{Use: "status", Short: "What is protected, how it stands, and where its recovery points are", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		v, err := c.VaultPath()
		if err != nil {
			return err
		}
		items, err := c.List(cmd.Context(), v+"/backupInstances", vault.Version)
		if err != nil {
			return err
		}
		points := func(name string) ([]json.RawMessage, error) {
			list, err := instance.Points(cmd.Context(), c, name, "", "")
			if client.IsNotFound(err) { // of a vault of another region, of which only the replica is here
				list, err = instance.SecondaryPoints(cmd.Context(), c, name, "")
			}
			return list, err
		}
		jobs, err := c.List(cmd.Context(), v+"/backupJobs", vault.Version)
		if err != nil {
			return err
		}
		rows, err := statusRows(items, jobs)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Points, err = pointsOf(rows[i].name, points); err != nil {
				return err
			}
			rows[i].Points += rows[i].expiry.text()
		}
		return c.Print(rows, console.Column{Title: "instance", Path: "instance"}, console.Column{Title: "cluster", Path: "cluster"},
			console.Column{Title: "state", Path: "state"}, console.Column{Title: "points", Path: "points"}, console.Column{Title: "replicated", Path: "replicated"}, console.Column{Title: "last job", Path: "lastJob"},
			console.Column{Title: "result", Path: "result"}, console.Column{Title: "started", Path: "started"})
	}}
}

// row is one line of status.
type row struct {
	Instance string `json:"instance"`
	Cluster  string `json:"cluster"`
	State    string `json:"state"`
	LastJob  string `json:"lastJob"`
	Result   string `json:"result"`
	Started  string `json:"started"`
	// Points says how many recovery points there are in which tier, and how many
	// have outlived their time and cannot be deleted.
	Points string `json:"points"`
	// Replicated says how old the newest recovery point in the paired region is, and
	// what is on its way; empty when the vault is not replicated.
	Replicated string `json:"replicated"`
	name       string
	expiry     *expiry
}

// expiry is what of an instance could not be deleted.
type expiry struct {
	Failed int `json:"failed"`
	Error  struct {
		Code string `json:"code"`
	} `json:"error"`
}

func (e *expiry) text() string {
	if e == nil {
		return ""
	}
	return fmt.Sprintf("; %d expired, not deleted: %s", e.Failed, e.Error.Code)
}

// replication is how far an instance is replicated into the paired region.
type replication struct {
	RPOInSeconds *int64 `json:"rpoInSeconds"`
	Pending      int    `json:"pending"`
	Late         bool   `json:"late"`
	Damaged      int    `json:"damaged"`
}

func (r *replication) text() string {
	if r == nil {
		return ""
	}
	text := "nothing yet"
	if r.RPOInSeconds != nil {
		text = (time.Duration(*r.RPOInSeconds) * time.Second).String() + " old"
	}
	if r.Pending > 0 {
		text += fmt.Sprintf(", %d on the way", r.Pending)
	}
	if r.Late {
		text += ", late"
	}
	if r.Damaged > 0 {
		text += fmt.Sprintf(", %d damaged", r.Damaged)
	}
	return text
}

// pointsOf counts the recovery points of an instance by where they are.
func pointsOf(name string, read func(string) ([]json.RawMessage, error)) (string, error) {
	points, err := read(name)
	if err != nil {
		return "", err
	}
	count, damaged := map[string]int{}, 0
	for _, raw := range points {
		stores, err := instance.StoresOf(raw)
		if err != nil {
			return "", err
		}
		for _, s := range stores {
			count[s.Type]++
			if s.Damaged {
				damaged++
			}
		}
	}
	text := fmt.Sprintf("%d operational, %d vault", count["OperationalStore"], count["VaultStore"])
	if damaged > 0 {
		text += fmt.Sprintf(" (%d damaged)", damaged)
	}
	if len(points) == 0 {
		text = "none"
	}
	return text, nil
}

// statusRows joins instances with the newest job of each. Times are RFC 3339
// in UTC, so they compare as text.
func statusRows(items, jobs []json.RawMessage) ([]row, error) {
	type jobDoc struct {
		Properties struct {
			BackupInstanceID string `json:"backupInstanceId"`
			Operation        string `json:"operation"`
			Status           string `json:"status"`
			StartTime        string `json:"startTime"`
		} `json:"properties"`
	}
	newest := map[string]jobDoc{}
	for _, raw := range jobs {
		var j jobDoc
		if err := json.Unmarshal(raw, &j); err != nil {
			return nil, err
		}
		id := strings.ToLower(j.Properties.BackupInstanceID)
		if old, ok := newest[id]; !ok || old.Properties.StartTime < j.Properties.StartTime {
			newest[id] = j
		}
	}
	rows := []row{}
	for _, raw := range items {
		var i struct {
			ID         string `json:"id"`
			Name       string `json:"name"`
			Properties struct {
				FriendlyName           string       `json:"friendlyName"`
				CurrentProtectionState string       `json:"currentProtectionState"`
				HoldfastReplication    *replication `json:"holdfastReplication"`
				HoldfastExpiry         *expiry      `json:"holdfastExpiry"`
				DataSourceInfo         struct {
					ResourceName string `json:"resourceName"`
				} `json:"dataSourceInfo"`
			} `json:"properties"`
		}
		if err := json.Unmarshal(raw, &i); err != nil {
			return nil, err
		}
		j := newest[strings.ToLower(i.ID)].Properties
		rows = append(rows, row{Instance: i.Properties.FriendlyName, Cluster: i.Properties.DataSourceInfo.ResourceName,
			State: i.Properties.CurrentProtectionState, LastJob: j.Operation, Result: j.Status, Started: j.StartTime, name: i.Name,
			Replicated: i.Properties.HoldfastReplication.text(), expiry: i.Properties.HoldfastExpiry})
	}
	return rows, nil
}
