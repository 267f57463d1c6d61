package instance

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The line of a watched job, from the documents that it is read from.
func TestMeter(t *testing.T) {
	m := &meter{}
	for _, c := range []struct{ details, want string }{
		{`{"RetentionTag":"Default"}`, "Backup: Waiting"},
		{`{"phase":"volumes","itemsDone":"3","itemsTotal":"4","bytesDone":"1048576","bytesTotal":"4194304"},"subTasks":[
			{"taskName":"Hydrating","taskStatus":"Completed","taskProgress":null},{"taskName":"Trigger Restore","taskStatus":"InProgress","taskProgress":"25%"}]`,
			"Backup: volumes [======                  ] 25% 3/4 items 1.0 MiB of 4.0 MiB ("},
		{`{"phase":"Collect","itemsDone":"12","itemsTotal":"0","bytesDone":"0"}`, "Backup: Collect 12 items"},
		{`{"phase":"Cut","itemsDone":"1","itemsTotal":"4"}`, " 1/4 items"},
		{`{"phase":"Collect","itemsDone":"30","bytesDone":"1048576","bytesTotal":"4194304"}`, "1.0 MiB of 4.0 MiB ("},
		{`{"phase":"Collect","bytesDone":"nonsense"}`, "Backup: Collect"},
	} {
		var j job
		body := `{"properties":{"operation":"Backup","status":"InProgress","extendedInfo":{"additionalDetails":` + c.details + `}}}`
		if err := json.Unmarshal([]byte(body), &j); err != nil {
			t.Fatal(err)
		}
		if got := m.text(&j); !strings.Contains(got, c.want) || !j.running() {
			t.Errorf("%s: %q, want %q", c.details, got, c.want)
		}
	}
}

// A log has a line for each stage, not for each look.
func TestStage(t *testing.T) {
	stages := map[string]bool{}
	for percent := range 100 { // however often bytes and items begin anew
		var j job
		body := fmt.Sprintf(`{"properties":{"extendedInfo":{"additionalDetails":{"phase":"volumes","bytesDone":"%d","bytesTotal":"10"},"subTasks":[{"taskProgress":"%d%%"}]}}}`, percent%10, percent)
		if err := json.Unmarshal([]byte(body), &j); err != nil {
			t.Fatal(err)
		}
		stages[j.stage()] = true
	}
	if len(stages) != 10 {
		t.Errorf("%d stages: %v", len(stages), stages)
	}
	clear(stages)
	for done := 0; done <= 100; done++ {
		var j job
		body := fmt.Sprintf(`{"properties":{"extendedInfo":{"additionalDetails":{"phase":"Volumes","bytesDone":"%d","bytesTotal":"100"}}}}`, done)
		if err := json.Unmarshal([]byte(body), &j); err != nil {
			t.Fatal(err)
		}
		stages[j.stage()] = true
	}
	if len(stages) != 11 {
		t.Errorf("%d stages", len(stages))
	}
}

// A word that no job has selects none, which looks like good news.
func TestJobSelectionRefusesUnknownWords(t *testing.T) {
	for _, s := range []jobSelection{{status: "Bogus"}, {operation: "Restored"}} {
		if err := s.check(); err == nil || !strings.Contains(err.Error(), "choose") {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, s := range []jobSelection{{}, {status: "completedwithwarnings", operation: "verify"}, {operation: "OnDemandBackup"}} {
		if err := s.check(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestJobSelection(t *testing.T) {
	for want, s := range map[string]jobSelection{
		"":                                  {},
		"?%24filter=status+eq+%27Failed%27": {status: "Failed"},
		"?%24filter=backupInstanceName+eq+%27i%27+and+operation+eq+%27Restore%27+and+startTime+ge+%27a%27+and+startTime+le+%27b%27": {
			instance: "i", operation: "Restore", start: "a", end: "b"},
	} {
		if got := s.query(); got != want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
}
