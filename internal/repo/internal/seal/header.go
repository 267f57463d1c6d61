package seal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/repo/layout"
)

// HeaderSize is the length of the header every binary object starts with: a
// magic of six bytes, and the format version.
const HeaderSize = 8

// Errors of headers.
var (
	ErrMagic   = errors.New("object is not of the expected kind")
	ErrVersion = errors.New("written by a newer version of the format")
)

// Magic is the kind of a binary object.
type Magic string

// Kinds of binary objects.
const (
	Pack      Magic = "HFPACK"
	Index     Magic = "HFINDX"
	Manifest  Magic = "HFMANI"
	Writer    Magic = "HFWRIT"
	Condemned Magic = "HFCOND"
)

// Header returns the header of this version.
func (m Magic) Header() [HeaderSize]byte {
	var h [HeaderSize]byte
	copy(h[:], m)
	binary.BigEndian.PutUint16(h[6:], layout.Version)
	return h
}

// Check refuses an object that does not start with this kind's header.
func (m Magic) Check(data []byte) error {
	if len(data) < HeaderSize || string(data[:6]) != string(m) {
		return fmt.Errorf("%w %s", ErrMagic, string(m))
	}
	if v := binary.BigEndian.Uint16(data[6:]); v != layout.Version {
		return fmt.Errorf("%w: object has version %d, this program reads %d", ErrVersion, v, layout.Version)
	}
	return nil
}
