package sqlstore

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
)

// labels carries a document's labels in and out of their JSON column. An
// empty set comes back as nil.
type labels struct{ m *map[string]string }

// Value is called by database/sql when a statement is run.
func (l labels) Value() (driver.Value, error) {
	text, err := json.Marshal(*l.m)
	return string(text), err
}

// Scan is called by database/sql when a row is read.
func (l labels) Scan(column any) error {
	text, ok := column.(string)
	if !ok {
		return fmt.Errorf("labels column holds %T, not text", column)
	}
	return json.Unmarshal([]byte(text), l.m)
}
