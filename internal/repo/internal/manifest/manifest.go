// Package manifest holds the document that a recovery point is: its facts and
// the roots of its streams, sealed and signed. It reads and writes bytes only.
// See spec/repository.md, section 9.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
	"holdfast.dev/holdfast/internal/repo/layout"
)

// Errors of manifests.
var (
	ErrManifest = errors.New("malformed manifest")
	ErrRoot     = errors.New("root does not match the streams")
)

// StreamType says how a stream's blocks are to be understood.
type StreamType string

// Types of streams.
const (
	TypeArchive StreamType = "archive"
	TypeVolume  StreamType = "volume"
)

// StreamRef names a stream that was written.
type StreamRef struct {
	Name   string     `json:"name"` // unique in its manifest
	Type   StreamType `json:"type"`
	Root   string     `json:"root"`   // name of the root page, 64 hex digits; empty when nothing is stored
	Levels int        `json:"levels"` // depth of the tree of pages
	// Records and Bytes are the records of an archive and the bytes of their
	// values; Length and BlockSize are the shape of a volume in bytes.
	Records   int64 `json:"records,omitempty"`
	Bytes     int64 `json:"bytes,omitempty"`
	Length    int64 `json:"length,omitempty"`
	BlockSize int64 `json:"blockSize,omitempty"`
}

// RootName returns the name of the root page; the hole when nothing is stored.
func (s StreamRef) RootName() (seal.Name, error) {
	raw, err := hex.DecodeString(s.Root)
	if err != nil || len(raw) != 0 && len(raw) != seal.NameSize || strings.ToLower(s.Root) != s.Root {
		return seal.Name{}, fmt.Errorf("%w: root of stream %q", ErrManifest, s.Name)
	}
	var n seal.Name
	copy(n[:], raw)
	return n, nil
}

// Volume is what is known of one persistent volume claim at the recovery point.
type Volume struct {
	Namespace        string    `json:"namespace"`
	Claim            string    `json:"claim"`
	Protected        bool      `json:"protected"`
	ReasonCode       string    `json:"reasonCode,omitempty"` // when not protected
	Reason           string    `json:"reason,omitempty"`
	Stream           string    `json:"stream,omitempty"` // name of its stream, when its data is in the repository
	Driver           string    `json:"driver,omitempty"`
	SnapshotHandle   string    `json:"snapshotHandle,omitempty"`
	StorageClass     string    `json:"storageClass,omitempty"`
	VolumeMode       string    `json:"volumeMode,omitempty"` // Filesystem or Block
	FSType           string    `json:"fsType,omitempty"`
	SizeBytes        int64     `json:"sizeBytes,omitempty"`
	RestoreSizeBytes int64     `json:"restoreSizeBytes,omitempty"`
	CutAt            time.Time `json:"cutAt,omitzero"`
	// Facts are further facts under names the writer chooses.
	Facts map[string]string `json:"facts,omitempty"`
}

// Kind is a kind of objects in the archive, and the moment it was read at.
type Kind struct {
	Group           string `json:"group,omitempty"`
	Version         string `json:"version"`
	Kind            string `json:"kind"`
	Resource        string `json:"resource"` // plural, as in URLs
	Namespaced      bool   `json:"namespaced"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	Objects         int64  `json:"objects"`
}

// Warning names something that is not protected, and why.
type Warning struct {
	Resource string `json:"resource"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	// Actions say what a person may do about it, one sentence each.
	Actions []string `json:"actions,omitempty"`
}

// Manifest describes one recovery point.
type Manifest struct {
	Version  int               `json:"version"`
	ID       string            `json:"id"`               // 32 hex digits
	Void     bool              `json:"void,omitempty"`   // no recovery point, and never one: see spec
	Created  time.Time         `json:"created,omitzero"` // the moment it stands for, UTC
	Instance string            `json:"instance,omitempty"`
	Streams  []StreamRef       `json:"streams,omitempty"` // in ascending order of names
	Volumes  []Volume          `json:"volumes,omitempty"`
	Kinds    []Kind            `json:"kinds,omitempty"`
	Warnings []Warning         `json:"warnings,omitempty"`
	Facts    map[string]string `json:"facts,omitempty"`
	Root     string            `json:"root"` // over all streams, 64 hex digits
}

// Seal completes m for storing: version, order of streams, root.
func (m *Manifest) Seal() {
	m.Version = layout.Version
	m.Created = m.Created.UTC()
	m.Streams = slices.Clone(m.Streams)
	slices.SortFunc(m.Streams, func(a, b StreamRef) int { return strings.Compare(a.Name, b.Name) })
	m.Root = m.computeRoot()
}

// computeRoot hashes what every stream is. Who knows the root of a recovery
// point can tell, without any key, whether a manifest still means the same data.
func (m *Manifest) computeRoot() string {
	h := sha256.New()
	text := func(s string) {
		_ = binary.Write(h, binary.BigEndian, uint32(len(s))) // a hash never fails
		_, _ = io.WriteString(h, s)
	}
	text("holdfast/1 root")
	for _, s := range m.Streams {
		text(s.Name)
		text(string(s.Type))
		text(s.Root)
		_ = binary.Write(h, binary.BigEndian, []int64{int64(s.Levels), s.Records, s.Bytes, s.Length, s.BlockSize})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Check refuses a manifest that contradicts itself.
func (m *Manifest) Check() error {
	if _, err := layout.ParseID(m.ID); err != nil {
		return fmt.Errorf("%w: %w", ErrManifest, err)
	}
	last := ""
	for i, s := range m.Streams {
		if i > 0 && s.Name <= last || s.Name == "" {
			return fmt.Errorf("%w: stream names out of order at %q", ErrManifest, s.Name)
		}
		last = s.Name
		if err := s.check(); err != nil {
			return err
		}
	}
	if m.Root != m.computeRoot() {
		return ErrRoot
	}
	return nil
}

func (s StreamRef) check() error {
	root, err := s.RootName()
	if err != nil {
		return err
	}
	ok := s.Levels >= 0 && s.Levels <= page.MaxLevels
	switch s.Type {
	case TypeArchive:
		ok = ok && root.IsHole() == (s.Levels == 0) && s.Records >= 0 && s.Bytes >= 0
	case TypeVolume:
		g := page.Geometry{Length: s.Length, BlockSize: s.BlockSize}
		ok = ok && g.Check() == nil && g.Levels() == s.Levels
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("%w: stream %q", ErrManifest, s.Name)
	}
	return nil
}

// Encode returns the content of a manifest's document.
func (m *Manifest) Encode() ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return data, nil
}

// Decode reads and checks the content of the manifest with this id. Fields
// that are not known are ignored.
func Decode(data []byte, id layout.ID) (Manifest, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if version.Version != layout.Version {
		return Manifest{}, fmt.Errorf("%w: manifest has version %d, this program reads %d", seal.ErrVersion, version.Version, layout.Version)
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if m.ID != id.String() {
		return Manifest{}, fmt.Errorf("%w: it is of recovery point %q", ErrManifest, m.ID)
	}
	return m, m.Check()
}
