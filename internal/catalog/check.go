package catalog

import (
	"errors"
	"fmt"
)

// Bounds on documents, the same in every store.
const (
	MaxLabels     = 8
	MaxLabelValue = 512 // bytes
	MaxPage       = 1000
)

// ErrReadOnly says that a change was attempted in a View.
var ErrReadOnly = errors.New("transaction is read-only")

// Check says whether doc may be stored: kind, ID and body are there and the
// labels keep within their bounds. Stores call it in Put.
func Check(doc Document) error {
	switch {
	case doc.Kind == "" || doc.ID == "":
		return fmt.Errorf("document %q of kind %q needs both a kind and an ID", doc.ID, doc.Kind)
	case len(doc.Body) == 0:
		return fmt.Errorf("document %q of kind %q has no body", doc.ID, doc.Kind)
	case len(doc.Labels) > MaxLabels:
		return fmt.Errorf("document %q of kind %q has %d labels, at most %d are allowed", doc.ID, doc.Kind, len(doc.Labels), MaxLabels)
	}
	for name, value := range doc.Labels {
		if len(value) > MaxLabelValue {
			return fmt.Errorf("label %q of document %q is longer than %d bytes", name, doc.ID, MaxLabelValue)
		}
	}
	return nil
}

// PageSize returns how many documents a query asks for: its Limit within 1 to MaxPage.
func (q Query) PageSize() int {
	if q.Limit <= 0 || q.Limit > MaxPage {
		return MaxPage
	}
	return q.Limit
}
