// Package objstore is the contract of a bucket: objects that are written once
// and never changed. Every place a repository lives in is such a bucket.
//
// Promises that every implementation keeps, checked by the suite in objstoretest:
//
//   - Put never overwrites: when an object of that name exists, it answers
//     ErrExists and changes nothing. Of two racing Puts exactly one wins.
//   - An object is visible whole or not at all, also after a crash.
//   - After Put returned nil, Get, Stat and List see the object.
//   - List answers completely or with an error; never with a part taken for all.
//   - Delete of what does not exist is no error.
//   - No implementation retries; wrap.Retry does.
package objstore

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Errors that survive wrapping; test with errors.Is.
var (
	// ErrNotFound: no object of that name.
	ErrNotFound = errors.New("object not found")
	// ErrExists: an object of that name exists already.
	ErrExists = errors.New("object exists already")
	// ErrForbidden: the credentials do not allow this.
	ErrForbidden = errors.New("access to the store denied")
	// ErrUnavailable: the store cannot answer now; the same call may succeed later.
	ErrUnavailable = errors.New("store unavailable")
	// ErrNoBucket: the bucket itself (folder, container) does not exist. It is
	// never reported as ErrNotFound, so that a lost bucket is not taken for an
	// empty one.
	ErrNoBucket = errors.New("bucket does not exist")
	// ErrRange: the range asked for does not lie within the object.
	ErrRange = errors.New("range lies outside the object")
	// ErrName: the name is not one an object can have; see CheckName.
	ErrName = errors.New("not an object name")
)

// Info describes an object. No time is given: safety never rests on file times.
type Info struct {
	Name string // relative to the store's root, "/" separated, never empty
	Size int64  // bytes
}

// Store is a bucket, or a prefix of one.
type Store interface {
	// Put writes a new object of exactly size bytes from r.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// Get reads length bytes from offset; length -1 reads to the end. A range
	// beyond the end is ErrRange. The caller closes the reader.
	Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// Stat describes one object.
	Stat(ctx context.Context, name string) (Info, error)
	// List yields every object whose name starts with prefix, in byte order of
	// names. An error ends the sequence.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object.
	Delete(ctx context.Context, name string) error
}
