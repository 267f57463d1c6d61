package collect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// page is one page of a LIST.
type page struct {
	items    []json.RawMessage
	bytes    int
	next     string // continue token, empty on the last page
	revision string // resourceVersion of the list
}

// readPage decodes a list item by item. Fields may come in any order: lists of
// custom resources have their metadata last.
func readPage(r io.Reader) (page, error) {
	var p page
	d := json.NewDecoder(r)
	if err := expect(d, json.Delim('{')); err != nil {
		return p, err
	}
	for d.More() {
		field, err := d.Token()
		if err != nil {
			return p, fmt.Errorf("read a list: %w", err)
		}
		if err := p.readField(d, field); err != nil {
			return p, err
		}
	}
	return p, expect(d, json.Delim('}'))
}

func (p *page) readField(d *json.Decoder, field json.Token) error {
	switch field {
	case "items":
		return p.readItems(d)
	case "metadata":
		var m struct {
			Continue        string `json:"continue"`
			ResourceVersion string `json:"resourceVersion"`
		}
		if err := d.Decode(&m); err != nil {
			return fmt.Errorf("read a list's metadata: %w", err)
		}
		p.next, p.revision = m.Continue, m.ResourceVersion
		return nil
	}
	var ignored json.RawMessage
	if err := d.Decode(&ignored); err != nil {
		return fmt.Errorf("read a list's field %v: %w", field, err)
	}
	return nil
}

func (p *page) readItems(d *json.Decoder) error {
	start, err := d.Token()
	if err != nil {
		return fmt.Errorf("read a list's items: %w", err)
	}
	if start == nil { // "items": null
		return nil
	}
	if start != json.Delim('[') {
		return errors.New("read a list: its items are no array")
	}
	for d.More() {
		var item json.RawMessage
		if err := d.Decode(&item); err != nil {
			return fmt.Errorf("read item %d of a list: %w", len(p.items), err)
		}
		p.items = append(p.items, item)
		p.bytes += len(item)
	}
	return expect(d, json.Delim(']'))
}

func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err != nil {
		return fmt.Errorf("read a list: %w", err)
	}
	if got != want {
		return fmt.Errorf("read a list: %v where %v was expected", got, want)
	}
	return nil
}
