package operations

import "encoding/json"

// JobInfo returns the document that points from an operation to the job that
// carries it out, for Record.Properties and Record.Result. jobID is the full
// resource id of the job.
func JobInfo(jobID string) json.RawMessage {
	body, _ := json.Marshal(struct { // cannot fail: two strings
		ObjectType string `json:"objectType"`
		JobID      string `json:"jobId"`
	}{"OperationJobExtendedInfo", jobID})
	return body
}
