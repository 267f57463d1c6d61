package repo

import (
	"errors"
	"fmt"

	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/repo/internal/frame"
	"holdfast.dev/holdfast/internal/repo/internal/index"
	"holdfast.dev/holdfast/internal/repo/internal/manifest"
	"holdfast.dev/holdfast/internal/repo/internal/pack"
	"holdfast.dev/holdfast/internal/repo/internal/page"
	"holdfast.dev/holdfast/internal/repo/internal/seal"
)

// Errors that survive wrapping; test with errors.Is. Errors of the store
// (objstore.ErrUnavailable and so on) survive too.
var (
	// ErrNoRepository: there is no repository at this place.
	ErrNoRepository = errors.New("no repository here")
	// ErrWrongKey: the data key is not this repository's.
	ErrWrongKey = errors.New("the data key is not this repository's")
	// ErrVersion: written by a newer version of the format.
	ErrVersion = seal.ErrVersion
	// ErrDamaged: stored bytes are missing or not what was written.
	ErrDamaged = errors.New("repository is damaged")
	// ErrNoRecoveryPoint: no manifest of that id.
	ErrNoRecoveryPoint = errors.New("no such recovery point")
	// ErrVoid: the id was made void, so that it never becomes a recovery point.
	ErrVoid = errors.New("recovery point was made void")
	// ErrConflict: something else exists under this name already.
	ErrConflict = errors.New("exists already with other content")
	// ErrOrder: keys of an archive do not come in strictly ascending order.
	ErrOrder = errors.New("archive keys out of order")
	// ErrTooLarge: a key or value is longer than the format allows.
	ErrTooLarge = errors.New("record is too large")
	// ErrBase: the base of an increment cannot be used; a full stream can be
	// written instead.
	ErrBase = errors.New("the base cannot be used")
	// ErrNoRecord: no record of that key in the archive.
	ErrNoRecord = errors.New("no such record")
)

// Damage says which object is damaged and who needs it. It matches ErrDamaged.
type Damage struct {
	Object string // name of the object, as far as known
	Stream string // stream that needs it, as far as known
	Err    error
}

// Error names the place and the cause.
func (d *Damage) Error() string {
	where := "object " + d.Object
	if d.Object == "" {
		where = "index"
	}
	if d.Stream != "" {
		where += ", needed by stream " + d.Stream
	}
	return fmt.Sprintf("%v: %s: %v", ErrDamaged, where, d.Err)
}

// Unwrap gives ErrDamaged and the cause.
func (d *Damage) Unwrap() []error { return []error{ErrDamaged, d.Err} }

// parseErrors are what parsers say of bytes that no writer wrote.
var parseErrors = []error{seal.ErrOpen, seal.ErrMagic, seal.ErrShort, frame.ErrFrame, pack.ErrPack, index.ErrIndex,
	page.ErrPage, manifest.ErrManifest, manifest.ErrDocument, manifest.ErrSignature, manifest.ErrRoot, errContent}

// errContent means that a block is not what its name says.
var errContent = errors.New("content does not match its name")

// located turns errors that mean damage of an object into a Damage; others, of
// the store or of versions, stay what they are.
func located(object string, err error) error {
	if err == nil || errors.Is(err, ErrDamaged) {
		return err
	}
	for _, e := range parseErrors {
		if errors.Is(err, e) {
			return &Damage{Object: object, Err: err}
		}
	}
	return fmt.Errorf("object %s: %w", object, err)
}

// missing is located, for objects that something refers to.
func missing(object string, err error) error {
	if errors.Is(err, objstore.ErrNotFound) || errors.Is(err, objstore.ErrRange) {
		return &Damage{Object: object, Err: err}
	}
	return located(object, err)
}

func wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// ofStream adds the name of the stream that needs it to a Damage.
func ofStream(stream string, err error) error {
	if d, ok := errors.AsType[*Damage](err); ok && d.Stream == "" {
		return &Damage{Object: d.Object, Stream: stream, Err: d.Err}
	}
	if err != nil {
		return fmt.Errorf("stream %q: %w", stream, err)
	}
	return nil
}
