// Package layout names the objects of a repository. It is pure: names and
// versions only, no reading and no writing. See spec/repository.md, section 2.
package layout

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Version is the version of the repository format written by this code. A
// reader of every version ever written stays for ever.
const Version = 1

// Repository is the name of the object that says that, and under which key, a
// prefix is a repository.
const Repository = "repository"

// Prefixes of the other objects.
const (
	Packs      = "packs/"
	Indexes    = "indexes/"
	Manifests  = "manifests/"
	Writers    = "writers/"
	Condemneds = "condemned/"
	Keys       = "keys/" // wrapped data keys; reserved
)

// ErrName means that an object's name is not one of the format's.
var ErrName = errors.New("not a name of the repository format")

// ID names a repository, a pack, an index segment or a recovery point: 16 bytes,
// written as 32 lower-case hex digits.
type ID [16]byte

// NewID returns a random ID, never used before.
func NewID() ID {
	var id ID
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// ParseID reads 32 lower-case hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(id) || strings.ToLower(s) != s {
		return ID{}, fmt.Errorf("id %q is not 32 lower-case hex digits", s)
	}
	copy(id[:], raw)
	return id, nil
}

// String returns the 32 hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Pack returns the name of a pack: fanned out by two digits, for folders' sake.
func Pack(id ID) string { return Packs + id.String()[:2] + "/" + id.String() }

// Index returns the name of an index segment.
func Index(id ID) string { return Indexes + id.String() }

// Manifest returns the name of a recovery point's manifest.
func Manifest(id ID) string { return Manifests + id.String() }

// Writer returns the name of the announcement of a recovery point being written.
func Writer(id ID) string { return Writers + id.String() }

// Condemned returns the name of a list of packs that are about to be deleted.
func Condemned(id ID) string { return Condemneds + id.String() }

// ParsePack returns the id in a pack's name.
func ParsePack(name string) (ID, error) {
	fan, rest, _ := strings.Cut(strings.TrimPrefix(name, Packs), "/")
	id, err := ParseID(rest)
	if err != nil || name != Pack(id) || fan != rest[:2] {
		return ID{}, fmt.Errorf("%w: %q", ErrName, name)
	}
	return id, nil
}

// Parse returns the id in a name that is one of the prefixes Indexes,
// Manifests, Writers or Condemneds, followed by an id.
func Parse(prefix, name string) (ID, error) {
	rest, found := strings.CutPrefix(name, prefix)
	id, err := ParseID(rest)
	if err != nil || !found {
		return ID{}, fmt.Errorf("%w: %q", ErrName, name)
	}
	return id, nil
}
