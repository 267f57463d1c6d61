// Package mover is the program of a mover pod: it moves the data of one volume
// between a block device and a repository behind the gate. The pod sees nothing
// but the device and its order; it has no rights in the cluster.
//
//	save:  device -> plan (used, changed) -> blocks -> repository -> Report with the stream
//	load:  repository -> blocks in pack order -> device
//
// It may be killed at any moment and started again with the same order: what
// was stored is found, and is not sent again.
package mover

import (
	"encoding/json"
	"fmt"
	"os"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agent/changed"
	"holdfast.dev/holdfast/internal/repo"
)

// Task says in which direction data is moved.
type Task string

// Tasks of a mover.
const (
	Save Task = "save" // the device's data into the repository
	Load Task = "load" // the stream's data onto the device
)

// Order is what a mover is told: the content of a Secret of its own.
type Order struct {
	Task Task `json:"task"`
	// Repository is reached through the gate.
	Repository    agentv1.RepositoryGrant `json:"repository"`
	RecoveryPoint string                  `json:"recoveryPoint"`
	Stream        string                  `json:"stream"`
	// Device is the path of the block device in the pod.
	Device string `json:"device"`
	// Base is the stream that a saved one builds upon; nil for none.
	Base *Base `json:"base,omitempty"`
	// Changes is where the storage tells which blocks to read; nil reads all that
	// may hold data.
	Changes *Changes `json:"changes,omitempty"`
	// BytesPerSecond bounds what is sent or fetched; 0 means no limit.
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
}

// Base is an earlier state of the same volume in the same repository.
type Base struct {
	RecoveryPoint string `json:"recoveryPoint"`
	Stream        string `json:"stream"`
}

// Changes is a driver's service that tells which blocks of a snapshot hold
// data, or differ from an earlier snapshot's.
type Changes struct {
	Access   changed.Access   `json:"access"`
	Snapshot changed.Snapshot `json:"snapshot"`
	// Base is the handle of the snapshot that the base stream was read from;
	// empty asks for what is allocated.
	Base string `json:"base,omitempty"`
	// Reason says why the service cannot be asked.
	Reason string `json:"reason,omitempty"`
}

// ReadOrder reads an order from a file.
func ReadOrder(path string) (Order, error) {
	var order Order
	raw, err := os.ReadFile(path)
	if err != nil {
		return order, fmt.Errorf("read order: %w", err)
	}
	if json.Unmarshal(raw, &order) != nil { // its error might quote the key
		return order, fmt.Errorf("read order: %s is not valid JSON", path)
	}
	return order, nil
}

// Report is what a mover has to say when it is done, as JSON of at most 4 KiB.
type Report struct {
	// Stream is what was saved, for a manifest to refer to.
	Stream      *repo.StreamRef `json:"stream,omitempty"`
	BytesRead   int64           `json:"bytesRead"`   // of the device, or of the stream
	BytesStored int64           `json:"bytesStored"` // new in the repository
	// How says in a sentence how much had to be read, and why.
	How string `json:"how,omitempty"`
	// Distrusted says what the storage told wrongly about changed blocks; then
	// everything was read.
	Distrusted string           `json:"distrusted,omitempty"`
	Problem    *agentv1.Problem `json:"problem,omitempty"` // why it failed
}

// maxReport is what Kubernetes keeps of a termination message.
const maxReport = 4096

// Encode returns the report as JSON, its sentences cut to what is kept.
func (r Report) Encode() ([]byte, error) {
	raw, err := json.Marshal(r)
	if err != nil || len(raw) <= maxReport {
		return raw, err
	}
	r.How = ""
	if r.Problem != nil {
		short := *r.Problem
		short.Message = short.Message[:min(len(short.Message), 1500)]
		r.Problem = &short
	}
	return json.Marshal(r)
}
