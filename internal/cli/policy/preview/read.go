package preview

import (
	"encoding/json"
	"fmt"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/policywire"
)

// parse reads a policy document, with or without its envelope, and checks it as
// the service would.
func parse(raw []byte, name string) (*backup.Policy, error) {
	var doc struct {
		v1.PolicyProperties
		Properties *v1.PolicyProperties `json:"properties"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, console.Usage("this is not a policy: %v", err)
	}
	if doc.Properties == nil {
		doc.Properties = &doc.PolicyProperties
	}
	p, err := policywire.Read(doc.Properties)
	if err == nil {
		p.ID = "/backupPolicies/" + name
		if problem := p.Check(); problem != nil {
			err = problem
		}
	}
	if problem, ok := backup.AsProblem(err); ok {
		return nil, console.Usage("%s: %s", problem.Target, problem.Message)
	}
	return p, err
}

// document is the name of a policy that has none yet.
const document = "document"

// named returns the policy that the flags name.
func named(get func() (json.RawMessage, error), read func(string) (map[string]any, error), name, file string) ([]byte, error) {
	switch {
	case (name == "") == (file == ""):
		return nil, console.Usage("give --name for a policy of the vault, or --policy for a document")
	case name != "":
		return get()
	}
	doc, err := read(file)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("policy document: %w", err)
	}
	return raw, nil
}
